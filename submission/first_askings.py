"""What samples that are asked again answered first, kept out of memory until they are."""

from __future__ import annotations

import json
from dataclasses import asdict

from models.rudolph.likelihood import Likelihood
from submission.answer_options import AnswerOptions, Option
from submission.engine import FirstAsking
from submission.tables import SpooledTable


class FirstAskings(SpooledTable[FirstAsking]):
    """First askings by sample id, as JSON: its numbers are read as they were written, to the last bit."""

    @staticmethod
    def pack(value: FirstAsking) -> bytes:
        """Return an asking as JSON."""
        return json.dumps(asdict(value)).encode()

    @staticmethod
    def unpack(data: bytes) -> FirstAsking:
        """Return the asking."""
        value = json.loads(data)
        options = value["options"]
        found = tuple(Option(**option) for option in options.pop("options"))
        texts = tuple(options.pop("texts"))
        likelihoods = tuple(Likelihood(**each) for each in value["likelihoods"])
        return FirstAsking(AnswerOptions(found, texts, **options), likelihoods)
