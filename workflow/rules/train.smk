# The networks. Checkpoints lie in folders that are no rule's output: a killed job resumes from them.


rule train_student:
    input:
        **prepared(*CLIP_STORE),
    output:
        model="results/student/model.safetensors",
        history="results/student/history.parquet",
    log:
        "results/logs/train_student.log",
    benchmark:
        "results/benchmarks/train_student.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads
    resources:
        mem_mb=memory(8000),
        runtime=1440,
        gpu=GPU,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "train-student"),
        code=code_digest("eap.training.landmark_student"),
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-student --config {params.config:q} --data {params.data:q}"
        " --model {output.model:q} --history {output.history:q} > {log:q} 2>&1"


rule train_sync:
    input:
        **prepared(*CLIP_STORE),
    output:
        model="results/sync/model.safetensors",
        history="results/sync/history.parquet",
    log:
        "results/logs/train_sync.log",
    benchmark:
        "results/benchmarks/train_sync.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads
    resources:
        mem_mb=memory(8000),
        runtime=1440,
        gpu=GPU,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "train-sync"),
        code=code_digest("eap.training.sync_expert"),
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-sync --config {params.config:q} --data {params.data:q}"
        " --model {output.model:q} --history {output.history:q} > {log:q} 2>&1"


rule train_ant:
    input:
        **prepared(*CLIP_STORE),
        student=rules.train_student.output.model,
    output:
        model="results/ant/seed={seed}/model.safetensors",
        history="results/ant/seed={seed}/history.parquet",
    log:
        "results/logs/train_ant/seed={seed}.log",
    benchmark:
        "results/benchmarks/train_ant/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads * cfg.compute.gpus
    resources:
        mem_mb=training_memory(cfg.ant),
        runtime=4320,
        gpu=TRAINING_GPUS,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "train-ant"),
        code=code_digest("eap.training.ant"),
        checkpoints="results/checkpoints/ant/seed={seed}",
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-ant --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --student {input.student:q} --model {output.model:q}"
        " --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule train_era:
    input:
        **prepared(*CLIP_STORE),
        student=rules.train_student.output.model,
        ant=rules.train_ant.output.model,
    output:
        model="results/era/seed={seed}/model.safetensors",
        history="results/era/seed={seed}/history.parquet",
    log:
        "results/logs/train_era/seed={seed}.log",
    benchmark:
        "results/benchmarks/train_era/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads * cfg.compute.gpus
    resources:
        mem_mb=training_memory(cfg.era),
        runtime=4320,
        gpu=TRAINING_GPUS,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "train-era"),
        code=code_digest("eap.training.era"),
        checkpoints="results/checkpoints/era/seed={seed}",
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-era --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --student {input.student:q} --ant {input.ant:q} --model {output.model:q}"
        " --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"
