"""`eap.kubernetes_jobs`: what `kubectl` is given, how its answers are read. There is no cluster: a stand-in answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eap.kubernetes_jobs import SubmitError, job_manifest, job_status

PROPERTIES = {"rule": "train_ant", "threads": 4, "resources": {"mem_mb": 16000, "runtime": 90, "gpu": 2}}
SCRIPT = f"#!/bin/sh\n# properties = {json.dumps(PROPERTIES)}\ncd '/eap/run' && python -m snakemake\n"
ENVIRONMENT = {
    "EAP_KUBERNETES_IMAGE": "image:1", "EAP_KUBERNETES_CLAIM": "claim", "EAP_KUBERNETES_MOUNT": "/eap",
    "PATH": "/eap/.venv/bin:/bin", "HOME": "/root", "MLFLOW_TRACKING_TOKEN": "s3cret",
}  # fmt: skip


def test_the_job_asks_for_what_the_rule_asks_for() -> None:
    manifest = job_manifest(SCRIPT, Path("/eap/run"), ENVIRONMENT)
    spec = manifest["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 5400)
    container = spec["template"]["spec"]["containers"][0]
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "16000M", "nvidia.com/gpu": "2"}
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert container["command"] == ["/bin/sh", "-c", SCRIPT]
    assert (container["image"], container["workingDir"]) == ("image:1", "/eap/run")
    assert container["env"] == [{"name": "PATH", "value": "/eap/.venv/bin:/bin"}]
    assert "s3cret" not in json.dumps(manifest)
    assert container["volumeMounts"] == [{"name": "eap", "mountPath": "/eap"}]
    volume = spec["template"]["spec"]["volumes"][0]
    assert volume == {"name": "eap", "persistentVolumeClaim": {"claimName": "claim"}}


def test_without_a_gpu_none_is_asked_for() -> None:
    script = SCRIPT.replace('"gpu": 2', '"gpu": 0')
    container = job_manifest(script, Path("/eap"), ENVIRONMENT)["spec"]["template"]["spec"]["containers"][0]
    assert set(container["resources"]["limits"]) == {"cpu", "memory"}
    assert container["envFrom"] == []


def test_variables_come_from_a_secret() -> None:
    manifest = job_manifest(SCRIPT, Path("/eap"), ENVIRONMENT | {"EAP_KUBERNETES_SECRET": "tokens"})
    assert manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"] == [{"secretRef": {"name": "tokens"}}]


@pytest.mark.parametrize("name", ["IMAGE", "CLAIM", "MOUNT"])
def test_a_setting_that_is_absent_is_named(name: str) -> None:
    environment = {key: value for key, value in ENVIRONMENT.items() if not key.endswith(name)}
    with pytest.raises(SubmitError, match=f"EAP_KUBERNETES_{name} is not set"):
        job_manifest(SCRIPT, Path("/eap/run"), environment)


def test_a_directory_off_the_volume_and_another_script_are_refused() -> None:
    with pytest.raises(SubmitError, match="/home/x is not below EAP_KUBERNETES_MOUNT=/eap"):
        job_manifest(SCRIPT, Path("/home/x"), ENVIRONMENT)
    with pytest.raises(SubmitError, match="not written by Snakemake"):
        job_manifest("#!/bin/sh\ntrue\n", Path("/eap"), ENVIRONMENT)


@pytest.mark.parametrize(
    ("job", "expected"),
    [
        (None, "failed"),
        ({}, "running"),
        ({"status": {"active": 1}}, "running"),
        ({"status": {"conditions": [{"type": "Failed", "status": "False"}]}}, "running"),
        ({"status": {"conditions": [{"type": "Failed", "status": "True"}]}}, "failed"),
        ({"status": {"conditions": [{"type": "SuccessCriteriaMet", "status": "True"},
                                    {"type": "Complete", "status": "True"}]}}, "success"),
    ],
)  # fmt: skip
def test_status(job: dict | None, expected: str) -> None:
    assert job_status(job) == expected


def test_submit_status_and_cancel_through_kubectl(tmp_path: Path) -> None:
    stand_in = tmp_path / "kubectl"
    stand_in.write_text(
        '#!/bin/sh\nprintf "%s\\n" "$*" >> calls\n'
        'case "$*" in *create*) cat > manifest.json; printf eap-abc ;;\n'
        '*"job eap-abc"*json*) echo \'{"status": {"active": 1}}\' ;;\n'
        '*"job gone"*) echo \'Error (NotFound): jobs "gone" not found\' >&2; exit 1 ;;\n'
        "*delete*) ;; *) echo unreachable >&2; exit 1 ;; esac\n"
    )
    stand_in.chmod(0o755)
    (tmp_path / "script.sh").write_text(SCRIPT)
    settings = ENVIRONMENT | {"EAP_KUBERNETES_MOUNT": str(tmp_path), "EAP_KUBERNETES_NAMESPACE": "team"}
    path = f"{tmp_path}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def run(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | settings | {"PATH": path}, check=True,
                              capture_output=True, text=True)  # fmt: skip
        return done.stdout.strip()

    assert run("eap-kubernetes-submit", "script.sh") == "eap-abc"
    assert json.loads((tmp_path / "manifest.json").read_text())["kind"] == "Job"
    assert run("eap-kubernetes-status", "eap-abc") == "running"
    assert run("eap-kubernetes-status", "gone") == "failed"
    assert run("eap-kubernetes-status", "server-away") == "running"
    run("eap-kubernetes-cancel", "eap-abc", "gone")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-1] == "--namespace team delete job eap-abc gone --ignore-not-found --wait=false"
