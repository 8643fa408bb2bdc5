"""`eap.urls`: a secret is filled in for a request, refused in the configuration and hidden in every text."""

from __future__ import annotations

from pathlib import Path

import pytest

from eap.config import ConfigError, load_config
from eap.urls import fill_in, mask, require_no_secret

PRESETS = Path(__file__).parents[2] / "workflow" / "presets"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no answer (https://ann:s3cret@host/a)", "no answer (https://***@host/a)"),
        ("https://s3cret@host/a?b=1", "https://***@host/a?b=1"),
        ("https://host/a?token=s3cret&b=1#c", "https://host/a?token=***&b=1#c"),
        ("url: /a?X-Amz-Signature=s3cret&access_token=t (By", "url: /a?X-Amz-Signature=***&access_token=*** (By"),
        ("postgresql://eap:s3cret@db:5432/x and sqlite:///a.db", "postgresql://***@db:5432/x and sqlite:///a.db"),
        ("'https://u:a@h/' 'https://u:b@h/'", "'https://***@h/' 'https://***@h/'"),
        ("https://${TOKEN}@host/a", "https://${TOKEN}@host/a"),
        ("https://ann:${PASSWORD}@host/a?sig=${SIG}", "https://ann:${PASSWORD}@host/a?sig=${SIG}"),
        ("ann@example.org, https://host/@user/monkey?keyboard=1", "ann@example.org, https://host/@user/monkey?keyboard=1"),
    ],
)  # fmt: skip
def test_secrets_of_urls_are_masked_in_any_text(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


def test_what_was_filled_in_is_masked_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EAP_TEST_TOKEN", "abc/def+1")
    assert mask("403 for abc/def+1") == "403 for abc/def+1"
    assert fill_in("https://host/${EAP_TEST_TOKEN}/a") == "https://host/abc/def+1/a"
    assert mask("403 for /abc/def+1/a") == "403 for /***/a"
    assert fill_in("https://host/a") == "https://host/a"


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EAP_TEST_ABSENT", raising=False)
    with pytest.raises(ValueError, match="environment variable EAP_TEST_ABSENT is not set; export it"):
        fill_in("https://${EAP_TEST_ABSENT}@host")


@pytest.mark.parametrize(
    "url",
    ["https://host/a", "https://${T}@host/a", "postgresql://eap@db/x", "postgresql://eap:${P}@db/x", "sqlite:///a.db",
     "https://host/a?download=1&token=${T}"],
)  # fmt: skip
def test_urls_without_secrets_are_taken_as_they_are(url: str) -> None:
    assert require_no_secret(url) == url


@pytest.mark.parametrize(
    ("section", "key", "url"),
    [
        ("download", "mirror", "https://ann:s3cret@host/a"),
        ("download", "mirror", "https://s3cret@host/a"),
        ("tracking", "uri", "postgresql://eap:s3cret@db/x"),
        ("tracking", "uri", "https://host/?token=s3cret"),
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_repeated(section: str, key: str, url: str) -> None:
    with pytest.raises(ConfigError, match=rf"{section}\.{key}: .*must not stand in the configuration") as caught:
        load_config({section: {key: url}}, PRESETS)
    assert "s3cret" not in str(caught.value)


def test_other_faults_do_not_repeat_a_secret_either() -> None:
    with pytest.raises(ConfigError, match="unknown key") as caught:
        load_config({"download": {"miror": "https://ann:s3cret@host/a"}}, PRESETS)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(ConfigError, match="is not allowed") as caught:
        load_config({"download": {"enabled": "https://ann:s3cret@host/a"}}, PRESETS)
    assert "s3cret" not in str(caught.value)
