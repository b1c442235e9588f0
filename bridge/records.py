"""Reference data out of what an ERP says: what does not fit is left out, and said in the log."""

import logging
from typing import TypeVar

from pydantic import BaseModel, ValidationError

log = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)


def record(model: type[Model], **said: object) -> Model | None:
    """Return what was said as a record of that kind; None, and a warning, where it is none."""
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        log.warning("%s %s is not read: %s", model.__name__, said, problem["msg"])
        return None
