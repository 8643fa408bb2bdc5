# The page: reads files only, never the tracking server.


rule build_report:
    input:
        **prepared("clips", "splits", "shapes", "labels", "frames"),
        student=rules.train_student.output.history,
        sync=rules.train_sync.output.history,
        ant=expand(rules.train_ant.output.history, seed=cfg.seeds),
        era=expand(rules.train_era.output.history, seed=cfg.seeds),
        scores=expand(rules.evaluate.output.scores, seed=cfg.seeds),
        curves=expand(rules.evaluate.output.curves, seed=cfg.seeds),
        videos=expand(rules.evaluate.output.videos, seed=cfg.seeds),
    output:
        page=report("results/report/index.html", caption="../report/page.rst", category="Report"),
        summary=report("results/report/summary.parquet", caption="../report/summary.rst", category="Report"),
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
        " --summary {output.summary:q} --page {output.page:q} > {log:q} 2>&1"
