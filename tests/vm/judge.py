"""Reads what the machine of run.sh gave out and prints fault -> what was seen. Exit code 1 where anything is not as it must be."""

import json
import pathlib
import re
import sys

OUT = pathlib.Path(sys.argv[1])
BAD = []


def must(holds, what):
    if not holds:
        BAD.append(what)


def text(name):
    path = OUT / name
    return path.read_text().strip() if path.exists() else ""


def seconds(name):
    return float(text(name) or "nan")


def metrics(name):
    """Row -> value of a copy of /metrics."""
    rows = {}
    for line in text(name).splitlines():
        match = re.fullmatch(r"(ocellus_\S+?)(\{.*\})? (\S+)", line)
        if match:
            rows[match[1] + (match[2] or "")] = float(match[3])
    return rows


def grown(after, before, label):
    """By how much rows whose labels hold `label` have grown."""
    return int(sum(v - before.get(k, 0) for k, v in after.items() if label in k))


def lines(run):
    return [json.loads(line) for line in (OUT / run / "objects.jsonl").read_text().splitlines()]


def quiet(run):
    """A run without faults: nothing is damaged, and the exit code says whether the emulated processor was too slow for a frame."""
    books = json.loads((OUT / run / "ledger.json").read_text())["sensors"]
    expected = "3" if any(book["lost"] for book in books.values()) else "0"
    must(text(run + ".code") == expected, f"{run}: exit code {text(run + '.code')}, expected {expected}")
    for sensor, book in books.items():
        must(book["balanced"] and set(book["lost"]) <= {"missed"}, f"{run}: {sensor}: {book}")
        must(book["lost"].get("missed", 0) <= book["received"] / 4, f"{run}: {sensor}: {book}")
        must(book["processed"] >= 5, f"{run}: {sensor}: only {book['processed']} frames in 6 s at 5 Hz")
    states = {line["state"] for line in lines(run) if line["trigger"] == "camera"}
    must("blind" not in states, f"{run}: pictures that show nothing")
    must("no usable stamps" not in text(run + ".txt"), f"{run}: stamps that are not believed")
    print(f"{run}: " + ", ".join(f"{s}: {b['processed']} of {b['received']} frames" for s, b in books.items()))


def faults():
    names = sorted(OUT.glob("*.made"), key=lambda p: float(p.read_text()))
    print(f"\n{'fault':16} {'noticed s':>9} {'well after s':>12} {'lost':>5} {'damaged':>7} {'restarts':>8}  rear went on")
    for name in (p.stem for p in names if p.stem != "term"):
        before, during, after = (metrics(f"{name}.{phase}") for phase in ("0before", "1during", "2after"))
        front = 'ocellus_frames_total{sensor="front",outcome='
        missed = grown(after, before, front + '"lost",reason="missed"')
        corrupt = grown(after, before, front + '"lost",reason="corrupt"')
        restarts = grown(after, before, 'restarts_total{sensor="front"')
        rear = grown(after, before, 'frames_total{sensor="rear",outcome="processed"')
        rear_lost = grown(after, before, 'frames_total{sensor="rear",outcome="lost"')
        noticed = seconds(name + ".seen") - seconds(name + ".made")
        well = seconds(name + ".well") - seconds(name + ".lifted")
        print(f"{name:16} {noticed:9.1f} {well:12.1f} {missed:5} {corrupt:7} {restarts:8}  {rear} frames, {rear_lost} lost")
        must(text(name + ".noticed") == "yes", f"{name}: not noticed")
        must(well == well, f"{name}: never well again")
        must(rear > 0, f"{name}: the other camera stood still")
        must(during, f"{name}: no figures meanwhile")
        if name == "numbers_wrap":
            must(missed < 100, f"{name}: {missed} frames lost, expected none for a number that wraps")


def crc8(data):
    """CRC-8 with the polynomial of SAE J1850, start and end 0, as AUTOSAR's profile 1 takes it."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc << 1 ^ (0x11D if crc & 0x80 else 0)
    return crc


def can():
    """What candump saw on the bus. Phases by the marks that lie in the log itself: 0 all is well, 1 the camera gives nothing, 2 it does again,
    3 the interface is down, 4 it is up, 5 alive until then, 6 killed."""
    phase, phases, right = 0, {k: [] for k in range(7)}, 0
    for line in text("candump.log").splitlines():
        stamp, _, frame = line.split()
        ident, data = int(frame[:3], 16), bytes.fromhex(frame[4:])
        if ident == 0x7FF:
            phase = data[0]
            continue
        right += data[0] == crc8(ident.to_bytes(2, "little") + data[1:])
        phases[phase].append((float(stamp[1:-1]), ident, data))
    states = {k: [(t, d[1] & 15, d[1] >> 4 & 1, d[4] | d[5] << 8) for t, i, d in f if i == 0x600] for k, f in phases.items()}
    frames = [f for k in sorted(phases) for f in phases[k]]
    must(right == len(frames) > 500, f"can: {right} of {len(frames)} frames have the right checksum")
    must(phase == 6, f"can: it ended in phase {phase}: the program did not live through it")
    cycles = [frames[k:k + 10] for k in range(0, len(frames), 10)]
    if not phases[3]:
        must(all(len({d[1] & 15 for _, _, d in c}) == 1 and c[0][1] == 0x600 for c in cycles), "can: a cycle with more than one counter")
    for k, rows in states.items():
        steps = {(b[1] - a[1]) % 15 for a, b in zip(rows, rows[1:])}
        print(f"can: phase {k}: {len(rows)} cycles, counter steps {sorted(steps)}, valid {sum(r[2] for r in rows)}")
        must(steps <= {0, 1}, f"can: phase {k}: counter steps {steps}")
        must(all(not valid or age <= 1000 for _, _, valid, age in rows), f"can: phase {k}: valid though too old")
    for k, what in [(0, "at first"), (2, "after the camera's fault"), (4, "after the interface was down")]:
        rows = states[k]
        must(any(r[2] for r in rows) and len({r[1] for r in rows}) > 3, f"can: {what}: nothing new or nothing valid")
    still = [r for r in states[1] if r[0] > states[1][-1][0] - 2]
    must(len(still) >= 5, f"can: only {len(still)} cycles in 2 s while the camera gives nothing")
    must(len({r[1] for r in still}) == 1 and not any(r[2] for r in still), "can: without a picture it counts on or is valid")
    # Of 20 cycles in these 2 s those before it went down and after it came up, as long as marking that took.
    must(len(states[3]) <= 8, f"can: {len(states[3])} cycles on an interface that is down")
    must(not phases[6], "can: something was sent after the process had died")
    must("can" in text("can.txt") and "interface" in text("can.txt"), "can: the program did not say that the interface was down")


def ledger():
    """The driver's own numbers are the count: the last one, and one, is what was received and what was missed."""
    books = json.loads((OUT / "faults" / "ledger.json").read_text())["sensors"]
    for sensor, book in books.items():
        must(book["balanced"], f"faults: {sensor}: the ledger does not balance: {book}")
        seqs = [line["seq"] for line in lines("faults") if line.get("camera") == sensor]
        must(seqs == sorted(set(seqs)), f"faults: {sensor}: numbers do not rise")
        # The very last frames may have given way to newer ones, without a line.
        must(0 <= book["received"] - 1 - seqs[-1] < 30, f"faults: {sensor}: {book['received']} counted, last number {seqs[-1]}")
        print(f"{sensor}: {book}; last number {seqs[-1]}")
    code = text("faults.code")
    must(code == "3", f"faults: exit code {code}, expected 3: data was lost")
    took = seconds("term.seen") - seconds("term.made")
    print(f"SIGTERM: ended after {took:.1f} s with exit code {code}")
    must(took < 8, f"SIGTERM: {took} s, expected at most 7 and a second of the machine's")


for run in sorted(p.stem for p in OUT.glob("quiet_*.code")):
    quiet(run)
can()
faults()
ledger()
doctor = text("doctor.txt")
print("\ndoctor says:\n" + doctor)
must("vivid" in doctor and "YUYV" in doctor, "doctor does not list the cameras")
for line in BAD:
    print("NOT AS IT MUST BE:", line)
sys.exit(1 if BAD else 0)
