# What the rules share: where data lies, how a stage is called, what its rerun depends on.
import shlex

import eap
from eap.config import stage_sections
from eap.data.layout import PreparedData
from eap.digest import code_digest, file_sha256, listing_digest

CLIP_STORE = ("clips", "splits", "labels", "shapes", "frames", "mel", "landmarks")  # read by every training stage
DATA = PreparedData(Path("results/data"))
MACHINE = {"workers", "clip_limit_s"}  # values of section `data` that change no result
GPU = 1 if cfg.compute.device == "cuda" else 0
EMONET = cfg.labels.source == "emonet"

URI = cfg.tracking.uri or "sqlite:///results/mlflow/mlflow.db"
TRACKING = f"--tracking {shlex.quote(URI)} --experiment {shlex.quote(cfg.tracking.experiment)}"

# Jobs run the very sources whose digests are the rules' `code=` params, in whichever environment they start.
SOURCES = shlex.quote(str(Path(eap.__file__).parents[1]))
shell.prefix(f"export PYTHONPATH={SOURCES}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; ")


wildcard_constraints:
    shard=r"\d+",
    seed=r"-?\d+",


def shard_file(table):
    """One shard of a table, its number being the wildcard; `eap.data.layout` owns the name."""
    return str(DATA.shard(table, 0)).replace("=0000", "={shard}")


def cataloged(table):
    """One shard of a table, once the catalog has decided which shards change.

    Every rule over shards asks in this way: a rule behind it would otherwise run again for all of them, since Snakemake
    marked it when it did not know yet.
    """

    def find(wildcards):
        checkpoints.build_catalog.get()
        path = DATA.shard(table, int(wildcards.shard))
        if table == "listing" and not path.is_file():
            raise WorkflowError(f"{path} is absent; remove {DATA.catalog}, and the catalog will write both again")
        return path

    return find


def all_shards(table):
    """Every shard of a table."""
    return [DATA.shard(table, number) for number in range(cfg.data.shards)]


def prepared(*tables):
    """Input files of a stage that reads the prepared data's folder: whole tables, and all shards of the others."""
    return {table: getattr(DATA, table) if hasattr(DATA, table) else all_shards(table) for table in tables}


def tracking(wildcards, output):
    """Global options of a stage. A param that takes `output` is not recorded: moving the database reruns nothing."""
    return TRACKING


onstart:
    # Parallel jobs must find the database made: creating it is not safe for several processes. This is no rule, since
    # Snakemake 9 overlooks changed params and code behind an `ancient` input that is made anew.
    shell("python -m eap {TRACKING} init-tracking")
