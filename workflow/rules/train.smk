# The networks, for each experiment that trains its own. Checkpoints lie in folders that are no rule's output: a killed
# job resumes from them.


rule train_student:
    input:
        **prepared(*CLIP_STORE),
    output:
        model="results/student/{experiment}/model.safetensors",
        history="results/student/{experiment}/history.parquet",
    log:
        "results/logs/train_student/{experiment}.log",
    benchmark:
        "results/benchmarks/train_student/{experiment}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: threads
    resources:
        mem_mb=memory(8000),
        runtime=1440,
        gpu=gpu,
    params:
        tracking=tracking,
        config=sections("train-student"),
        code=code_digest("eap.training.landmark_student"),
        checkpoints="results/checkpoints/student/{experiment}",
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-student --config {params.config:q} --data {params.data:q}"
        " --model {output.model:q} --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule train_sync:
    input:
        **prepared(*CLIP_STORE),
    output:
        model="results/sync/{experiment}/model.safetensors",
        history="results/sync/{experiment}/history.parquet",
    log:
        "results/logs/train_sync/{experiment}.log",
    benchmark:
        "results/benchmarks/train_sync/{experiment}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: threads
    resources:
        mem_mb=memory(8000),
        runtime=1440,
        gpu=gpu,
    params:
        tracking=tracking,
        config=sections("train-sync"),
        code=code_digest("eap.training.sync_expert"),
        checkpoints="results/checkpoints/sync/{experiment}",
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-sync --config {params.config:q} --data {params.data:q}"
        " --model {output.model:q} --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule train_judge:
    input:
        **prepared(*CLIP_STORE),
    output:
        model="results/judge/{experiment}/model.safetensors",
        history="results/judge/{experiment}/history.parquet",
    log:
        "results/logs/train_judge/{experiment}.log",
    benchmark:
        "results/benchmarks/train_judge/{experiment}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: threads
    resources:
        mem_mb=memory(8000),
        runtime=1440,
        gpu=gpu,
    params:
        tracking=tracking,
        config=sections("train-judge"),
        code=code_digest("eap.training.face_judge"),
        checkpoints="results/checkpoints/judge/{experiment}",
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} train-judge --config {params.config:q} --data {params.data:q}"
        " --model {output.model:q} --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule train_ant:
    input:
        **prepared(*CLIP_STORE),
        student=made("student", rules.train_student.output.model),
        start=start_from,
    output:
        model="results/ant/{experiment}/seed={seed}/model.safetensors",
        history="results/ant/{experiment}/seed={seed}/history.parquet",
    log:
        "results/logs/train_ant/{experiment}/seed={seed}.log",
    benchmark:
        "results/benchmarks/train_ant/{experiment}/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: training_threads
    resources:
        mem_mb=training_memory("ant"),
        runtime=4320,
        gpu=training_gpus,
    params:
        launch=launch,
        tracking=tracking,
        config=sections("train-ant"),
        code=code_digest("eap.training.ant"),
        checkpoints="results/checkpoints/ant/{experiment}/seed={seed}",
        data=subpath(input.clips, parent=True),
    shell:
        "{params.launch} {params.tracking} train-ant --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --student {input.student:q} --model {output.model:q}"
        " --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"


rule train_era:
    input:
        **prepared(*CLIP_STORE),
        student=made("student", rules.train_student.output.model),
        ant=made("ant", rules.train_ant.output.model),
    output:
        model="results/era/{experiment}/seed={seed}/model.safetensors",
        history="results/era/{experiment}/seed={seed}/history.parquet",
    log:
        "results/logs/train_era/{experiment}/seed={seed}.log",
    benchmark:
        "results/benchmarks/train_era/{experiment}/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: training_threads
    resources:
        mem_mb=training_memory("era"),
        runtime=4320,
        gpu=training_gpus,
    params:
        launch=launch,
        tracking=tracking,
        config=sections("train-era"),
        code=code_digest("eap.training.era"),
        checkpoints="results/checkpoints/era/{experiment}/seed={seed}",
        data=subpath(input.clips, parent=True),
    shell:
        "{params.launch} {params.tracking} train-era --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --student {input.student:q} --ant {input.ant:q} --model {output.model:q}"
        " --history {output.history:q} --checkpoints {params.checkpoints:q} > {log:q} 2>&1"
