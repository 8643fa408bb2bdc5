"""`eap.data.datasets.interface`: one vocabulary for every dataset's names of emotions."""

from eap.config import EMOTIONS, DataConfig
from eap.data.datasets.adapters import ADAPTERS
from eap.data.datasets.interface import SYNONYMS, bare_name


def test_every_dataset_name_leads_to_the_vocabulary():
    published = {
        "MEAD": "angry contempt disgusted fear happy neutral sad surprised",
        "RAVDESS": "neutral calm happy sad angry fearful disgust surprised",
        "CREMA-D": "ANG DIS FEA HAP NEU SAD",
    }
    for names in published.values():
        assert len({SYNONYMS[name.lower()] for name in names.split()}) == len(names.split())
    assert set(SYNONYMS.values()) == set(EMOTIONS)


def test_every_dataset_of_the_config_has_an_adapter():
    assert set(ADAPTERS) == set(DataConfig.model_fields["dataset"].annotation.__args__)


def test_bare_names():
    assert bare_name("a/ b c .MP4 ") == "b c"
