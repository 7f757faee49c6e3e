"""What the lab remembers: runs, curves, scores, answers, probes, workers and checkpoints.

The room is modules of functions, each taking the engine first; rows come back detached, so a caller may keep
them as long as it likes. Nothing in here knows what a model is, and nothing imports torch or the other rooms.

- `tables`       the tables
- `database`     where the lab lives, the engine, transactions, migrations
- `runs`         the queue as people see it: submit, look up, reorder, stop, resume, delete
- `claims`       the queue as workers see it: claim, heartbeat, finish, reap (reached through `runs`)
- `results`      curves, scores, answers and probes
- `checkpoints`  weights on disk
- `workers`      who is there to take runs
- `errors`       every way the room says no
"""
