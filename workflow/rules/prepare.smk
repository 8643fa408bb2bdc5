# From clips to tables: frames, audio, landmarks, mel spectrograms, pseudo labels, splits.


rule render_phantom:
    output:
        summary=DATA.phantom,
    log:
        "results/logs/render_phantom.log",
    benchmark:
        "results/benchmarks/render_phantom.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.data.shards * cfg.data.workers
    resources:
        mem_mb=memory(4000),
        runtime=240,
    params:
        tracking=tracking,
        # Of section `data` it reads the root only.
        config=lambda wildcards, output: stage_sections(cfg, "render-phantom"),
        recorded=f"{cfg.data.root} {cfg.phantom.model_dump_json()}",
        code=code_digest("eap.data.phantom.corpus"),
    shell:
        "python -m eap {params.tracking} render-phantom --config {params.config:q} --summary {output.summary:q}"
        " --workers {threads} > {log:q} 2>&1"


MADE_HERE = cfg.data.dataset == "phantom" or cfg.download.enabled


rule download_data:
    input:
        [DATA.phantom] if cfg.data.dataset == "phantom" else [],
    output:
        inventory=DATA.inventory,
    log:
        "results/logs/download_data.log",
    benchmark:
        "results/benchmarks/download_data.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=2880 if cfg.download.enabled else 240,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "download"),
        code=code_digest("eap.data.download"),
        # A lambda, since only this job needs to walk the folder; what was rendered or fetched is an output, no source.
        listing=lambda wildcards: None if MADE_HERE else listing_digest(cfg.data.root),
    shell:
        "python -m eap {params.tracking} download --config {params.config:q} --inventory {output.inventory:q}"
        " > {log:q} 2>&1"


rule build_catalog:
    input:
        inventory=rules.download_data.output.inventory,
    output:
        catalog=DATA.catalog,
    log:
        "results/logs/build_catalog.log",
    benchmark:
        "results/benchmarks/build_catalog.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "catalog"),
        code=code_digest("eap.data.catalog"),
    shell:
        "python -m eap {params.tracking} catalog --config {params.config:q} --inventory {input.inventory:q}"
        " --catalog {output.catalog:q} > {log:q} 2>&1"


rule extract_frames:
    input:
        catalog=rules.build_catalog.output.catalog,
    output:
        frames=shard_file("frames"),
        audio=shard_file("audio"),
        media=shard_file("media"),
    log:
        "results/logs/extract_frames/shard={shard}.log",
    benchmark:
        "results/benchmarks/extract_frames/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.data.workers
    resources:
        mem_mb=memory(2000 * cfg.data.workers),
        runtime=480,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "frames"),
        code=code_digest("eap.data.frames"),
    shell:
        "python -m eap {params.tracking} frames --config {params.config:q} --catalog {input.catalog:q}"
        " --shard {wildcards.shard} --frames {output.frames:q} --audio {output.audio:q} --media {output.media:q}"
        " > {log:q} 2>&1"


rule cache_landmarks:
    input:
        frames=shard_file("frames"),
    output:
        landmarks=shard_file("landmarks"),
        clips=shard_file("landmark_clips"),
    log:
        "results/logs/cache_landmarks/shard={shard}.log",
    benchmark:
        "results/benchmarks/cache_landmarks/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.data.workers
    resources:
        mem_mb=memory(2000 * cfg.data.workers),
        runtime=480,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "landmarks"),
        code=code_digest("eap.data.landmarks"),
    shell:
        "python -m eap {params.tracking} landmarks --config {params.config:q} --frames {input.frames:q}"
        " --landmarks {output.landmarks:q} --clips {output.clips:q} > {log:q} 2>&1"


rule compute_mel:
    input:
        audio=shard_file("audio"),
    output:
        mel=shard_file("mel"),
    log:
        "results/logs/compute_mel/shard={shard}.log",
    benchmark:
        "results/benchmarks/compute_mel/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=240,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "mel"),
        code=code_digest("eap.data.mel"),
    shell:
        "python -m eap {params.tracking} mel --config {params.config:q} --audio {input.audio:q}"
        " --mel {output.mel:q} > {log:q} 2>&1"


rule index_clips:
    input:
        **prepared("catalog", "media", "landmark_clips", "mel"),
    output:
        clips=DATA.clips,
    log:
        "results/logs/index_clips.log",
    benchmark:
        "results/benchmarks/index_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        tracking=tracking,
        config=stage_sections(cfg, "index"),
        code=code_digest("eap.data.index"),
        data=subpath(input.catalog, parent=True),
    shell:
        "python -m eap {params.tracking} index --config {params.config:q} --data {params.data:q}"
        " --clips {output.clips:q} > {log:q} 2>&1"


rule label_clips:
    input:
        **prepared("clips", "landmarks", *(["frames"] if EMONET else [])),
    output:
        labels=DATA.labels,
        shapes=DATA.shapes,
    log:
        "results/logs/label_clips.log",
    benchmark:
        "results/benchmarks/label_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.compute.threads if EMONET else 1
    resources:
        mem_mb=memory(8000),
        runtime=2880 if EMONET else 240,
        gpu=GPU if EMONET else 0,
    params:
        tracking=tracking,
        # Section `compute` is read for EmoNet only, and does not change what its labels mean.
        config=lambda wildcards, output: stage_sections(cfg, "labels"),
        recorded=[section.model_dump_json() for section in (cfg.data, cfg.video, cfg.labels)],
        code=code_digest("eap.data.pseudo_labels"),
        data=subpath(input.clips, parent=True),
    shell:
        "python -m eap {params.tracking} labels --config {params.config:q} --data {params.data:q}"
        " --labels {output.labels:q} --shapes {output.shapes:q} > {log:q} 2>&1"


rule split_clips:
    input:
        clips=rules.index_clips.output.clips,
    output:
        splits=DATA.splits,
    log:
        "results/logs/split_clips.log",
    benchmark:
        "results/benchmarks/split_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        tracking=tracking,
        # Of section `ant` the split reads one value; recording all of it would rebuild everything for each change there.
        config=lambda wildcards, output: stage_sections(cfg, "split"),
        recorded=f"{cfg.split.model_dump_json()} {cfg.ant.neutralization}",
        code=code_digest("eap.data.splits"),
    shell:
        "python -m eap {params.tracking} split --config {params.config:q} --clips {input.clips:q}"
        " --splits {output.splits:q} > {log:q} 2>&1"
