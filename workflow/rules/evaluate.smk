# Scores of the test clips with their controls. The videos lie beside their table; only the table is declared.


rule evaluate:
    input:
        **prepared(*CLIP_STORE, "audio"),
        era=rules.train_era.output.model,
        sync=rules.train_sync.output.model,
    output:
        scores=report(
            "results/evaluation/seed={seed}/scores.parquet",
            caption="../report/scores.rst",
            category="Evaluation",
            labels={"seed": "{seed}", "table": "scores"},
        ),
        curves=report(
            "results/evaluation/seed={seed}/curves.parquet",
            caption="../report/curves.rst",
            category="Evaluation",
            labels={"seed": "{seed}", "table": "curves"},
        ),
        videos="results/evaluation/seed={seed}/videos.parquet",
    log:
        "results/logs/evaluate/seed={seed}.log",
    benchmark:
        "results/benchmarks/evaluate/seed={seed}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads
    resources:
        mem_mb=memory(8000),
        runtime=720,
        gpu=GPU,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "evaluate"),
        code=code_digest("eap.evaluation.stage"),
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} evaluate --config {params.config:q} --seed {wildcards.seed}"
        " --data {params.data:q} --era {input.era:q} --sync {input.sync:q} --scores {output.scores:q}"
        " --curves {output.curves:q} --videos {output.videos:q} > {log:q} 2>&1"
