"""Uploads an exported file and its card to the Hugging Face Hub, or to another server by HF_ENDPOINT."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from seglight.deploy.runtimes import one_line


def push(name: str, files: Sequence[Path], card: Path, private: bool) -> str:
    """Makes the repository `user/name` where it is not there yet; the card becomes its README.md. Returns its address.

    ValueError where nobody is logged in, or the server refuses.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not get_token():
        raise ValueError(f"push_to_hub={name}: you are not logged in to the Hugging Face Hub; run: hf auth login")
    api = HfApi(os.environ.get("HF_ENDPOINT"))
    pairs = [(path, path.name) for path in files] + [(card, "README.md")]
    try:
        address = api.create_repo(name, private=private, exist_ok=True)
        operations = [CommitOperationAdd(path_in_repo=target, path_or_fileobj=str(path)) for path, target in pairs]
        api.create_commit(address.repo_id, operations, commit_message=f"{files[0].name}, exported by seglight")
    except Exception as error:  # of HTTP, of the network, of a name the Hub does not take
        raise ValueError(f"push_to_hub={name}: the upload failed ({one_line(error) or type(error).__name__})") from None
    return str(address)
