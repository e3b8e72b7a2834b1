"""Where the events for `certs run` come from: a made-up course run, real data, or files of JSON lines."""
