"""A sampler that is told what to do: sampler.py MODE [LIMIT]. What it hears is appended to `heard`.

Trial i is x = i / 2. After LIMIT trials, of all sessions:
    done     says that it has no more
    die      ends by SIGKILL
    error    says an error
    rubbish  proposes what is out of range
    missing  leaves the parameter out
    unasked  goes on without being asked
    noise    says what is no JSON
And: `refuse` and `mute` do not even become ready; `slow` takes its time for each trial; `low`
begins with 20 trials below 0; `each` gives one trial only for each time that it is asked.
"""
import json
import os
import signal
import sys
import time

mode = sys.argv[1]
limit = int(sys.argv[2]) if len(sys.argv) > 2 else 10**9
given = 0
proposed = 0


def say(message):
    print(json.dumps(message))


def propose(x):
    global proposed
    say({"id": proposed, "parameters": {"x": x}})
    proposed += 1


def end():
    if mode == "done":
        say({"done": True})
    elif mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    elif mode == "error":
        say({"error": "burnt out"})
    elif mode == "rubbish":
        propose(99.0)
    elif mode == "missing":
        say({"id": proposed, "parameters": {}})
    elif mode == "noise":
        print("Traceback (most recent call last)")
    elif mode == "unasked":
        for _ in range(1000):
            propose(1.0)


with open("pid", "w") as file:
    file.write(str(os.getpid()))
with open("heard", "a") as heard:
    heard.write("begin\n")
    for line in sys.stdin:
        heard.write(line)
        heard.flush()
        message = json.loads(line)
        if "version" in message:
            if mode == "refuse":
                say({"error": "not today"})
            elif mode == "mute":
                sys.exit(3)
            else:
                say({"ready": True})
        if "history" in message:
            given = proposed = len(message["history"])
        for _ in range(message.get("ask", 0) if mode != "each" else min(message.get("ask", 0), 1)):
            if given >= limit:
                end()
                break
            if mode == "slow":
                time.sleep(0.05)
            propose(-1.0 - proposed / 10 if mode == "low" and proposed < 20 else given / 2 % 10)
            given += 1
