"""One function an encoder; `conf/encoder/<name>.yaml` names it."""
