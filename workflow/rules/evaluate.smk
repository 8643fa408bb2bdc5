# Scores of the test clips with their controls, and all experiments and seeds side by side. Videos and pictures lie
# beside their tables; only the tables are declared.


rule score_controls:
    input:
        **prepared(*CLIP_STORE, "audio"),
        sync=made("sync", rules.train_sync.output.model),
        faces=made("controls", rules.train_judge.output.model),
    output:
        scores="results/controls/{experiment}/scores.parquet",
        curves="results/controls/{experiment}/curves.parquet",
        judge="results/controls/{experiment}/judge.parquet",
        offsets="results/controls/{experiment}/offsets.parquet",
    log:
        "results/logs/score_controls/{experiment}.log",
    benchmark:
        "results/benchmarks/score_controls/{experiment}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: threads
    resources:
        mem_mb=memory(8000),
        runtime=720,
        gpu=gpu,
    params:
        tracking=tracking,
        # Of section `model` it reads one value: for another width no landmarks are looked for anew.
        config=sections_unrecorded("controls"),
        recorded=lambda wildcards: made_from("controls", config_of(wildcards)),
        code=code_digest("eap.evaluation.controls"),
        data=subpath(input.clips, parent=True),
        out=subpath(output.scores, parent=True),
    shell:
        "python -m eap {params.tracking} controls --config {params.config:q} --data {params.data:q}"
        " --sync {input.sync:q} --faces {input.faces:q} --out {params.out:q} > {log:q} 2>&1"


rule evaluate:
    input:
        **prepared(*CLIP_STORE, "audio"),
        era=rules.train_era.output.model,
        sync=made("sync", rules.train_sync.output.model),
        judge=made("controls", rules.score_controls.output.judge),
        faces=made("controls", rules.train_judge.output.model),
    output:
        scores=report(
            "results/evaluation/{experiment}/seed={seed}/scores.parquet",
            caption="../report/scores.rst",
            category="Evaluation",
            labels={"experiment": "{experiment}", "seed": "{seed}", "table": "scores"},
        ),
        curves=report(
            "results/evaluation/{experiment}/seed={seed}/curves.parquet",
            caption="../report/curves.rst",
            category="Evaluation",
            labels={"experiment": "{experiment}", "seed": "{seed}", "table": "curves"},
        ),
        videos="results/evaluation/{experiment}/seed={seed}/videos.parquet",
        bias="results/evaluation/{experiment}/seed={seed}/bias.parquet",
        saturation="results/evaluation/{experiment}/seed={seed}/saturation.parquet",
        embeddings="results/evaluation/{experiment}/seed={seed}/embeddings.parquet",
        grid="results/evaluation/{experiment}/seed={seed}/grid.parquet",
    log:
        "results/logs/evaluate/{experiment}/seed={seed}.log",
    benchmark:
        "results/benchmarks/evaluate/{experiment}/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: threads
    resources:
        mem_mb=memory(8000),
        runtime=720,
        gpu=gpu,
    params:
        tracking=tracking,
        config=sections("evaluate"),
        code=code_digest("eap.evaluation.stage"),
        data=subpath(input.clips, parent=True),
        out=subpath(output.scores, parent=True),
    shell:
        "python -m eap {params.tracking} evaluate --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --era {input.era:q} --sync {input.sync:q} --judge {input.judge:q}"
        " --faces {input.faces:q} --out {params.out:q} > {log:q} 2>&1"


rule compare_experiments:
    input:
        scores=evaluations("scores"),
        curves=evaluations("curves"),
        bias=evaluations("bias"),
        saturation=evaluations("saturation"),
        control_scores=expand(rules.score_controls.output.scores, experiment=EXPERIMENTS.makers("controls")),
        control_curves=expand(rules.score_controls.output.curves, experiment=EXPERIMENTS.makers("controls")),
    output:
        experiments="results/comparison/experiments.parquet",
        summary=report("results/comparison/summary.parquet", caption="../report/summary.rst", category="Comparison"),
        breakdown="results/comparison/breakdown.parquet",
        comparisons=report(
            "results/comparison/comparisons.parquet", caption="../report/comparisons.rst", category="Comparison"
        ),
        probes=report("results/comparison/probes.parquet", caption="../report/probes.rst", category="Comparison"),
    log:
        "results/logs/compare_experiments.log",
    benchmark:
        "results/benchmarks/compare_experiments.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(8000),
        runtime=240,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "compare"),
        experiments=EXPERIMENTS.describe(),
        code=code_digest("eap.reporting.comparison"),
        results=subpath(output.summary, ancestor=2),
    shell:
        "python -m eap {params.tracking} compare --config {params.config:q} --experiments {params.experiments:q}"
        " --results {params.results:q} > {log:q} 2>&1"
