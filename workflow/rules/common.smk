# What the rules share: where data lies, how a stage is called, what its rerun depends on.
import shlex

import eap
from eap.config import stage_sections, tracking_uri
from eap.data.layout import PreparedData
from eap.digest import code_digest, file_sha256, listing_digest
from eap.experiments import BASE, made_from

CLIP_STORE = ("clips", "splits", "labels", "shapes", "frames", "mel", "landmarks")  # read by every training stage

# All experiments share one corpus. Its preparation lies in results/data; an experiment that prepares it with other
# values has a folder of its own, results/data-<experiment>. The wildcard `data` is the folder's name.
CORPUS = PreparedData(Path("results/data"))
DATA = PreparedData(Path("results/{data}"))
MACHINE = {"workers", "clip_limit_s"}  # values of section `data` that change no result

LOGS = "--log results/tracking"
TRACKING = f"{LOGS} --experiment {shlex.quote(cfg.tracking.experiment)}"
STORE = f"{LOGS} --tracking {shlex.quote(tracking_uri(cfg))} track"

# Jobs run the very sources whose digests are the rules' `code=` params, in whichever environment they start.
SOURCES = shlex.quote(str(Path(eap.__file__).parents[1]))
shell.prefix(f"export PYTHONPATH={SOURCES}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; ")


wildcard_constraints:
    shard=r"\d+",
    seed=r"-?\d+",
    data=r"data(-[\w.-]+)?",
    experiment=r"[\w.-]+",


def data_folder(experiment):
    """Name of the folder of prepared data that an experiment uses."""
    maker = EXPERIMENTS.maker("data", experiment)
    return "data" if maker == BASE else f"data-{maker}"


def config_of(wildcards):
    """The configuration of the experiment that a job makes its files for."""
    if hasattr(wildcards, "experiment"):
        return EXPERIMENTS.configs[wildcards.experiment]
    folder = getattr(wildcards, "data", "data")
    return EXPERIMENTS.configs[BASE if folder == "data" else folder.removeprefix("data-")]


def sections(stage):
    """A param: the sections of that configuration which the stage reads."""
    return lambda wildcards: stage_sections(config_of(wildcards), stage)


def sections_unrecorded(stage):
    """The same, not recorded by Snakemake (a param that takes `output` is not): param `recorded` says what counts."""
    return lambda wildcards, output: stage_sections(config_of(wildcards), stage)


def threads(wildcards):
    """Threads of a job that computes with torch."""
    return config_of(wildcards).compute.threads


def gpu(wildcards):
    """GPUs of a job that computes with torch."""
    return 1 if config_of(wildcards).compute.device == "cuda" else 0


def training_threads(wildcards):
    """Threads of ANT and ERA: those of each GPU's process."""
    return threads(wildcards) * config_of(wildcards).compute.gpus


def training_gpus(wildcards):
    """GPUs of ANT and ERA; everything else fits on one."""
    return gpu(wildcards) * config_of(wildcards).compute.gpus


def launch(wildcards, output):
    """What starts ANT and ERA: one process for each GPU. Not recorded, since section `compute` is."""
    n_gpus = config_of(wildcards).compute.gpus
    several = f"torch.distributed.run --standalone --nproc-per-node={n_gpus} -m "
    return f"python -m {several if n_gpus > 1 else ''}eap"


def emonet(wildcards):
    """Whether the labels are read by EmoNet."""
    return config_of(wildcards).labels.source == "emonet"


def shard_file(table):
    """One shard of a table, its number being the wildcard; `eap.data.layout` owns the name."""
    return str(DATA.shard(table, 0)).replace("=0000", "={shard}")


def cataloged(table):
    """One shard of a table, once the catalog has decided which shards change.

    Whatever works on shards asks in this way; if not, it would run again for all of them, since Snakemake marked it
    when it did not know yet.
    """

    def find(wildcards):
        catalog = checkpoints.build_catalog.get(data=wildcards.data).output.catalog
        path = PreparedData(Path("results") / wildcards.data).shard(table, int(wildcards.shard))
        if table == "listing" and not path.is_file():
            raise WorkflowError(f"{path} is absent; remove {catalog}, and the catalog will write both again")
        return path

    return find


def values_of(*names):
    """A param that is recorded: the values of some sections, but for those that change no result."""
    return lambda wildcards: [
        getattr(config_of(wildcards), name).model_dump_json(exclude=MACHINE if name == "data" else None)
        for name in names
    ]


def prepared(*tables):
    """Input files of a stage that reads a folder of prepared data: whole tables, and all shards of the others.

    They are those of the wildcard `data`, or of the data that the wildcard `experiment` uses.
    """

    def files(table):
        def of(wildcards):
            folder = wildcards.data if hasattr(wildcards, "data") else data_folder(wildcards.get("experiment", BASE))
            data = PreparedData(Path("results") / folder)
            whole = hasattr(data, table)
            return getattr(data, table) if whole else [data.shard(table, n) for n in range(cfg.data.shards)]

        return of

    return {table: files(table) for table in tables}


def start_from(wildcards):
    """An input of ANT's training: the model that it starts from, if the configuration names one."""
    path = config_of(wildcards).ant.start_from
    return [] if path is None else path


def made(thing, path):
    """An input: the file at `path` of the experiment that makes `thing` for this one."""
    return lambda wildcards: path.format(
        experiment=EXPERIMENTS.maker(thing, wildcards.experiment), seed=wildcards.get("seed")
    )


def evaluations(table):
    """A table of every experiment and seed."""
    path = f"results/evaluation/{{experiment}}/seed={{seed}}/{table}.parquet"
    return expand(path, experiment=EXPERIMENTS.configs, seed=cfg.seeds)


def memory(megabytes):
    """Memory of a job, twice as much at each retry: what was killed for lack of it gets through (profile `slurm`)."""
    return lambda wildcards, attempt: megabytes * 2 ** (attempt - 1)


def training_memory(phase):
    """Megabytes of ANT or ERA: on the CPU they grow with the pixels of a batch (20 GB measured for 4 x 8 x 256 x 256)."""

    def megabytes(wildcards, attempt):
        config = config_of(wildcards)
        section = getattr(config, phase)
        share = section.batch_size * section.rendered_frames * config.model.image_size**2 / (4 * 8 * 256**2)
        return memory(8000 * config.compute.gpus if gpu(wildcards) else 4000 + round(20000 * share))(wildcards, attempt)

    return megabytes


def tracking(wildcards, output):
    """Global options of a stage. A param that takes `output` is not recorded: moving the database reruns nothing."""
    folder = getattr(wildcards, "data", "data").removeprefix("data").removeprefix("-")
    return f"{TRACKING} --parent {wildcards.get('experiment') or folder or BASE}"


# Jobs append to local logs; one process delivers these to MLflow, for as long as the workflow runs.
onstart:
    shell(
        f"mkdir -p results/logs; nice -n 5 setsid python -m eap {STORE} deliver --follow {os.getpid()}"
        " > results/logs/track_deliver.log 2>&1 < /dev/null &"
    )


onsuccess:
    shell(f"python -m eap {STORE} wait || true")


onerror:
    shell(f"python -m eap {STORE} wait || true")
