"""`eap score`: every metric on anyone's videos, two folders of them, without any of our training."""
