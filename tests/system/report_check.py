"""report_check.py page FILE RUN TABLE [NAME=COUNT ...]
report_check.py trace FILE RUN [NAME=COUNT ...]

What a page or a trace says of a run, held against the run's log and its table (- for none)."""
import base64, html.parser, json, re, struct, sys, zlib
import msgpack


def records(run):
    data = open(run + "/log.lz4", "rb").read()
    at = 0
    while at + 8 <= len(data):
        magic, size = struct.unpack_from("<II", data, at)
        assert magic == 0x184D2A50
        header = msgpack.unpackb(data[at + 8:at + 8 + size], strict_map_key=False)
        at += 8 + size + sum(batch[2] for batch in header.get("batches", []))
        yield header


def batches(run):
    for header in records(run):
        if header["kind"] == "report":
            yield from header["batches"]


def attempts_of(batch):
    return sum(count for _, count, _ in batch[0])


def time_of(batch):
    """What its attempts took together, in microseconds."""
    return batch[5] if batch[7] is None else sum(numbers(batch[7]))


class Page(html.parser.HTMLParser):
    """Refuses whatever would be loaded, and tags that do not close."""
    void = {"meta", "link", "br", "hr", "img", "input"}

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open = []
        self.scripts = {}
        self.script_count = 0
        self.ids = []
        self.headings = []
        self.text = []

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        for name, value in attributes:
            assert name not in ("src", "srcset", "action", "background"), (tag, name, value)
            assert name != "href" or value.startswith("#"), (tag, value)
            assert not name.startswith("on"), (tag, name)
        assert tag not in ("link", "iframe", "object", "embed", "base", "img"), tag
        if "id" in named:
            self.ids.append(named["id"])
        if tag == "script":
            self.script_count += 1
        if tag not in self.void:
            self.open.append((tag, named))
        if tag == "th" and "scope" not in named:
            raise AssertionError("a heading of a table without scope")

    def handle_endtag(self, tag):
        assert self.open and self.open[-1][0] == tag, (tag, self.open[-3:], self.getpos())
        self.open.pop()

    def handle_data(self, data):
        tag, named = self.open[-1] if self.open else ("", {})
        if tag == "script" and "id" in named:
            self.scripts[named["id"]] = self.scripts.get(named["id"], "") + data
        elif tag == "style":
            assert not re.search(r"@import|url\(", data), "a style that loads"
        elif re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), data))
        else:
            self.text.append(data)


def numbers(data):
    value, shift = 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            yield value
            value, shift = 0, 0
    assert shift == 0


def check_markup(page):
    assert not page.open, page.open
    assert page.script_count == (5 if "sweep" in page.scripts else 4), page.script_count
    assert len(page.ids) == len(set(page.ids)), "an id that stands twice"
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1 and levels.count(1) == 1 and set(levels) == {1, 2}, page.headings


def read_lanes(meta, take):
    lanes = [(rank, slot, count) for rank, slot, count in meta["lanes"]]
    count = sum(lane[2] for lane in lanes)
    pauses, lengths, indices, whats = ([next(take) for _ in range(count)] for _ in range(4))
    entries, at, place, at_index = [], 0, 0, 0
    for rank, slot, lane_count in lanes:
        end = 0
        for _ in range(lane_count):
            many, failed = 1, 0 if meta["attempt_states"][whats[at] & 7] in ("succeeded", "stopped-early") else 1
            if whats[at] & 16:
                many = next(take) + 2
                failed = next(take)
            if whats[at] & 32:
                place = next(take)
            zigzag = indices[at]
            at_index += -(zigzag + 1) // 2 if zigzag % 2 else zigzag // 2
            start = end + pauses[at]
            end = start + lengths[at]
            entries.append({"lane": (rank, slot), "start": start, "end": end, "index": at_index,
                            "count": many, "failed": failed, "map": place,
                            "state": meta["attempt_states"][whats[at] & 7], "is_retry": bool(whats[at] & 8)})
            at_index += many
            at += 1
    return entries


def read_states(meta, take):
    """Of each map, the names of its cells' states."""
    maps = []
    for each in meta["maps"]:
        states = []
        while len(states) < each["cells"]:
            count, code = next(take), next(take)
            states += [meta["instance_states"][code & 7]] * count
        assert len(states) == each["cells"]
        maps.append(states)
    return maps


def read_data(page):
    meta = json.loads(page.scripts["meta"])
    take = numbers(zlib.decompress(base64.b64decode(page.scripts["data"])))
    entries = read_lanes(meta, take)
    bins = [[next(take) for _ in range(4)] for _ in range(meta["bins"])]
    classes = []
    for _ in range(2 + len(meta["maps"])):
        classes.append([(next(take), next(take)) for _ in range(next(take))])
    maps = read_states(meta, take)
    assert next(take, None) is None, "there is more data than the page reads"
    return meta, entries, bins, classes, maps


def check_attempts(run, meta, entries, bins, classes):
    of_log = sum(attempts_of(batch) for batch in batches(run))
    assert sum(entry["count"] for entry in entries) == of_log
    assert sum(count for each in classes[:2] for _, count in each) == of_log
    lost = sum(len(header["failures"]) for header in records(run)
               if header["kind"] == "report" and not header["batches"])
    assert sum(bin[0] + bin[1] for bin in bins) == of_log + lost
    elapsed = sum(map(time_of, batches(run)))
    assert sum(bin[3] for bin in bins) == elapsed, "slots were busy for another time"
    length = sum(entry["end"] - entry["start"] for entry in entries) * meta["tick_us"]
    assert abs(length - elapsed) <= meta["tick_us"] * (len(entries) + 1), (length, elapsed)
    for before, entry in zip(entries, entries[1:]):
        assert entry["lane"] != before["lane"] or entry["start"] >= before["end"], (before, entry)
    assert all(entry["end"] * meta["tick_us"] <= meta["total_us"] for entry in entries)


def check_table(table, meta, entries, maps):
    rows = [json.loads(line) for line in open(table)]
    assert meta["maps"][0]["size"] == len(rows)
    size = meta["maps"][0]["cell_size"]
    for row, state in zip(rows, maps[0]) if size == 1 else []:
        has_failed = row["task_failures"] + row["system_failures"] > 0
        is_late = row["state"] == "succeeded" and has_failed
        assert state == ("succeeded after a failure" if is_late else row["state"]), (row, state)
    failed = [row["index"] for row in rows if row["state"] == "failed"]
    assert sorted(entry["index"] for entry in entries if entry["state"] == "failed") == failed


def check_trials(page, table):
    """The trials of a sweep; how many there are."""
    if "sweep" not in page.scripts:
        return 0
    sweep = json.loads(page.scripts["sweep"])
    rows = [json.loads(line) for line in open(table)]
    assert len(sweep["trials"]) == len(rows) == sweep["count"]
    for (index, state, value, *values), row in zip(sweep["trials"], rows):
        assert (index, state, value) == (row["index"], row["state"], row["value"]), (state, value, row)
        assert values == [row["parameters"].get(name) for name in sweep["parameters"]], (values, row)
    return len(rows)


def check_page(path, run, table, wanted):
    page = Page()
    text = open(path, encoding="utf-8").read()
    page.feed(text)
    page.close()
    check_markup(page)
    meta, entries, bins, classes, maps = read_data(page)
    check_attempts(run, meta, entries, bins, classes)
    if table != "-":
        check_table(table, meta, entries, maps)
    found = {"lost": sum(note["kind"] == "lost" for note in meta["notes"]),
             "sessions": sum(note["kind"] == "session" for note in meta["notes"]),
             "retried": sum(entry["count"] for entry in entries if entry["state"] == "retried"),
             "stopped-early": sum(entry["count"] for entry in entries if entry["state"] == "stopped-early"),
             "maps": len(meta["maps"]), "trials": check_trials(page, table)}
    for name, count in wanted.items():
        assert found[name] == count, (name, found[name], count)


def check_trace(path, run, wanted):
    trace = json.load(open(path))
    events = trace["traceEvents"]
    spans = {}
    for event in events:
        assert {"name", "ph", "pid"} <= set(event), event
        if event["ph"] == "X":
            spans.setdefault((event["pid"], event["tid"]), []).append(event)
        else:
            assert event["ph"] in "iM", event
    named = {(event["pid"], event["tid"]) for event in events if event["name"] == "thread_name"}
    assert set(spans) <= named
    for lane in spans.values():
        lane.sort(key=lambda event: event["ts"])
        for before, event in zip(lane, lane[1:]):
            assert event["ts"] >= before["ts"] + before["dur"], (before, event)
    every = [event for lane in spans.values() for event in lane]
    assert sum(event["dur"] for event in every) == sum(map(time_of, batches(run)))
    assert sum(event["args"].get("count", 1) for event in every) == sum(map(attempts_of, batches(run)))
    retries = sum(event["name"] == "retry" for event in events)
    assert retries == sum(event["args"]["state"] == "retried" for event in every)
    assert sum(event["name"] == "rank lost" for event in events) == wanted.get("lost", 0)


def main():
    kind, path, run = sys.argv[1:4]
    wanted = {name: int(count) for name, count in (word.split("=") for word in sys.argv[4:] if "=" in word)}
    if kind == "page":
        check_page(path, run, sys.argv[4], wanted)
    else:
        check_trace(path, run, wanted)


main()
