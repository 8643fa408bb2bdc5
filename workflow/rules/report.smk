# The page: reads files only, never the tracking server.


rule build_report:
    input:
        **prepared("clips", "splits", "shapes", "labels", "frames", "audio"),
        **{
            table: evaluations(table)
            for table in ("scores", "curves", "videos", "bias", "saturation", "embeddings", "grid")
        },
        student=expand(rules.train_student.output.history, experiment=EXPERIMENTS.makers("student")),
        sync=expand(rules.train_sync.output.history, experiment=EXPERIMENTS.makers("sync")),
        judge=expand(rules.train_judge.output.history, experiment=EXPERIMENTS.makers("controls")),
        ant=expand(rules.train_ant.output.history, experiment=EXPERIMENTS.makers("ant"), seed=cfg.seeds),
        era=expand(rules.train_era.output.history, experiment=EXPERIMENTS.configs, seed=cfg.seeds),
        controls=expand(rules.score_controls.output.curves, experiment=EXPERIMENTS.makers("controls")),
        offsets=expand(rules.score_controls.output.offsets, experiment=EXPERIMENTS.makers("controls")),
        compared=rules.compare_experiments.output,
    output:
        page=report("results/report/index.html", caption="../report/page.rst", category="Report"),
    log:
        "results/logs/build_report.log",
    benchmark:
        "results/benchmarks/build_report.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "report"),
        code=code_digest("eap.reporting.page"),
        templates=[file_sha256(path) for path in sorted((Path(eap.__file__).parent / "reporting/templates").iterdir())],
        results=subpath(output.page, ancestor=2),
    shell:
        "python -m eap {params.tracking} report --config {params.config:q} --results {params.results:q}"
        " --page {output.page:q} > {log:q} 2>&1"
