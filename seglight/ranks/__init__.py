"""One job as N processes: who they are, how they start, meet and stop."""
