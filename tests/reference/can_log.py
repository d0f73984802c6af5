"""Decodes a candump log by launch/ocellus.dbc with cantools and python-can, checks each frame's end-to-end protection with
autosar-e2e, and compares what it says with objects.jsonl. Independent of the program: it shares the DBC alone.

Usage: can_log.py DBC LOG OBJECTS. Prints one JSON object of counts; every disagreement is a line in "wrong"."""

import json
import sys

import can
import cantools
from e2e import p01

RISKS = ["clear", "watch", "warn", "critical"]


def near(signal, value, step, unknown):
    """Whether a decoded signal is the value at the signal's resolution, clamped to what the signal can say."""
    if value is None:
        return abs(signal - unknown) < step / 2
    most = abs(unknown) - step
    return abs(signal - max(-most, min(most, value))) <= step * 0.51


def main(dbc_path, log_path, objects_path):
    dbc = cantools.database.load_file(dbc_path)
    lines = {line["t_ns"] // 1000: line for line in map(json.loads, open(objects_path))}
    cycles, wrong, protected = {}, [], 0
    for frame in can.CanutilsLogReader(log_path):
        protected += p01.e2e_p01_check(bytearray(frame.data), frame.arbitration_id)
        message = dbc.get_message_by_frame_id(frame.arbitration_id)
        decoded = message.decode(frame.data, decode_choices=False)
        cycles.setdefault(round(frame.timestamp * 1e6), {})[message.name] = decoded
    counts = {"cycles": len(cycles), "protected": protected, "compared": 0, "nearest": 0, "listed": 0}
    counters = [c["OcellusState"]["StateCounter"] for c in cycles.values()]
    for us, cycle in sorted(cycles.items()):
        # Log stamps pass through a float of seconds since 1970: good to a microsecond or so.
        line = next((lines[us + d] for d in range(-2, 3) if us + d in lines), None)
        state = cycle["OcellusState"]
        if line is None or "objects" not in line:
            continue
        counts["compared"] += 1
        objects = line["objects"]
        top = max([RISKS.index(o["risk"]) for o in objects if "risk" in o], default=0)
        clock = line["t_ns"] % 60_000_000_000 // 1_000_000
        expected = {"StateValid": 1, "StateRisk": top, "StateSensor": 0, "StateObjects": len(objects),
                    "StateAge": 0, "StateClock": clock}
        wrong += [f"{us}: {k} {state[k]}, not {v}" for k, v in expected.items() if state[k] != v]
        by_track = {}
        for o in objects:
            by_track.setdefault(o["track"] & 0xFF, []).append(o)
        slots = [cycle[f"OcellusObject{k}"] for k in range(1, 9)]
        names = [f"Object{k}" for k in range(1, 9)]
        filled = [(n, s) for n, s in zip(names, slots) if s[n + "Class"] != 15]
        if len(filled) != min(8, len(objects)):
            wrong.append(f"{us}: {len(filled)} slots for {len(objects)} objects")
        for n, s in filled:
            said = [o for o in by_track.get(s[n + "Track"], [])
                    if near(s[n + "X"], o.get("position_m", [None])[0], 0.05, -102.4)
                    and near(s[n + "Y"], o.get("position_m", [None, None])[1], 0.1, -51.2)
                    and near(s[n + "Closing"], -o["velocity_rel_mps"][0] if "velocity_rel_mps" in o else None, 0.2, -102.4)
                    and s[n + "Risk"] == (RISKS.index(o["risk"]) if "risk" in o else 7)]
            counts["listed"] += 1
            if not said:
                wrong.append(f"{us}: no object says {s}")
        nearest = cycle["OcellusNearest"]
        if nearest["NearestSlot"] < 8:
            counts["nearest"] += 1
            track = slots[nearest["NearestSlot"]][names[nearest["NearestSlot"]] + "Track"]
            said = [o for o in by_track.get(track, [])
                    if near(nearest["NearestGap"], o.get("gap_m"), 0.05, 204.75)
                    and near(nearest["NearestTtc"], o.get("ttc_s"), 0.1, 25.5)]
            if not said:
                wrong.append(f"{us}: nearest {nearest} is no object")
    counts["steps"] = sorted({(b - a) % 15 for a, b in zip(counters, counters[1:])})
    print(json.dumps({**counts, "wrong": wrong[:20]}))


main(*sys.argv[1:])
