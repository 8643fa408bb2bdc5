# From clips to tables: frames, audio, landmarks, mel spectrograms, pseudo labels, splits.


rule render_phantom:
    output:
        summary=CORPUS.phantom,
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
        [CORPUS.phantom] if cfg.data.dataset == "phantom" else [],
    output:
        inventory=CORPUS.inventory,
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


# A checkpoint, since it decides which shards are prepared again: it writes one listing per shard, and only those that
# change. They are no outputs: Snakemake would take all of them for changed.
checkpoint build_catalog:
    input:
        inventory=rules.download_data.output.inventory,
    output:
        catalog=DATA.catalog,
    log:
        "results/logs/{data}/build_catalog.log",
    benchmark:
        "results/benchmarks/{data}/build_catalog.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        tracking=tracking,
        config=sections_unrecorded("catalog"),
        recorded=lambda wildcards: [*values_of("data")(wildcards), config_of(wildcards).emotions],
        code=code_digest("eap.data.catalog"),
    shell:
        "python -m eap {params.tracking} catalog --config {params.config:q} --inventory {input.inventory:q}"
        " --catalog {output.catalog:q} > {log:q} 2>&1"


# `update`: what stands in a shard already is kept, and the stage copies the clips that have not changed.
rule extract_frames:
    input:
        listing=cataloged("listing"),
    output:
        frames=update(shard_file("frames")),
        audio=update(shard_file("audio")),
        media=update(shard_file("media")),
    log:
        "results/logs/{data}/extract_frames/shard={shard}.log",
    benchmark:
        "results/benchmarks/{data}/extract_frames/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.data.workers
    resources:
        mem_mb=memory(2000 * cfg.data.workers),
        runtime=480,
    params:
        tracking=tracking,
        config=sections_unrecorded("frames"),
        recorded=values_of("video", "audio"),
        code=code_digest("eap.data.frames"),
    shell:
        "python -m eap {params.tracking} frames --config {params.config:q} --listing {input.listing:q}"
        " --frames {output.frames:q} --audio {output.audio:q} --media {output.media:q}"
        " > {log:q} 2>&1"


rule cache_landmarks:
    input:
        frames=cataloged("frames"),
        media=cataloged("media"),
    output:
        landmarks=update(shard_file("landmarks")),
        clips=update(shard_file("landmark_clips")),
    log:
        "results/logs/{data}/cache_landmarks/shard={shard}.log",
    benchmark:
        "results/benchmarks/{data}/cache_landmarks/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: cfg.data.workers
    resources:
        mem_mb=memory(2000 * cfg.data.workers),
        runtime=480,
    params:
        tracking=tracking,
        config=sections_unrecorded("landmarks"),
        recorded=values_of("landmarks"),
        code=code_digest("eap.data.landmarks"),
    shell:
        "python -m eap {params.tracking} landmarks --config {params.config:q} --frames {input.frames:q}"
        " --media {input.media:q} --landmarks {output.landmarks:q} --clips {output.clips:q} > {log:q} 2>&1"


rule compute_mel:
    input:
        audio=cataloged("audio"),
    output:
        mel=shard_file("mel"),
    log:
        "results/logs/{data}/compute_mel/shard={shard}.log",
    benchmark:
        "results/benchmarks/{data}/compute_mel/shard={shard}.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=240,
    params:
        tracking=tracking,
        config=sections("mel"),
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
        "results/logs/{data}/index_clips.log",
    benchmark:
        "results/benchmarks/{data}/index_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        tracking=tracking,
        config=sections_unrecorded("index"),
        recorded=cfg.data.shards,
        code=code_digest("eap.data.index"),
        data=subpath(input.catalog, parent=True),
    shell:
        "python -m eap {params.tracking} index --config {params.config:q} --data {params.data:q}"
        " --clips {output.clips:q} > {log:q} 2>&1"


rule label_clips:
    input:
        **prepared("clips", "landmarks"),
        frames=lambda wildcards: prepared("frames")["frames"](wildcards) if emonet(wildcards) else [],
    output:
        labels=DATA.labels,
        shapes=DATA.shapes,
    log:
        "results/logs/{data}/label_clips.log",
    benchmark:
        "results/benchmarks/{data}/label_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: lambda wildcards: threads(wildcards) if emonet(wildcards) else 1
    resources:
        mem_mb=memory(8000),
        runtime=lambda wildcards: 2880 if emonet(wildcards) else 240,
        gpu=lambda wildcards: gpu(wildcards) if emonet(wildcards) else 0,
    params:
        tracking=tracking,
        # Section `compute` is read for EmoNet only, and does not change what its labels mean.
        config=sections_unrecorded("labels"),
        recorded=values_of("data", "video", "labels"),
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
        "results/logs/{data}/split_clips.log",
    benchmark:
        "results/benchmarks/{data}/split_clips.tsv"
    conda:
        "../../envs/eap.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=30,
    params:
        tracking=tracking,
        # Of section `ant` the split reads one value; recording all of it would rebuild everything for each change there.
        config=sections_unrecorded("split"),
        recorded=lambda wildcards: f"{cfg.split.model_dump_json()} {config_of(wildcards).ant.neutralization}",
        code=code_digest("eap.data.splits"),
    shell:
        "python -m eap {params.tracking} split --config {params.config:q} --clips {input.clips:q}"
        " --splits {output.splits:q} > {log:q} 2>&1"
