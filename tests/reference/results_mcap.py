"""A run's results as MCAP, read by mcap-ros2-support and by rosbags, against its objects.jsonl.

    python results_mcap.py RESULTS.mcap OBJECTS.jsonl

Prints what was compared and what was found wrong, as JSON. Needs the packages of requirements_mcap.txt.
"""

import json
import sys
from pathlib import Path

from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

from read_mcap import plain

# objects.jsonl rounds pixels to 2 places, metres to 3 and scores to 4; two rounded pixels make a centre.
PX, M, SCORE = 0.011, 0.0011, 0.00006

wrong = []


def expect(holds, what):
    if not holds:
        wrong.append(what)


def near(a, b, tolerance):
    return abs(a - b) <= tolerance


def read_all(path):
    """All messages by both readers: topic -> list of decoded messages."""
    ros2, bags = {}, {}
    with open(path, "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        for _, channel, _, decoded in reader.iter_decoded_messages(log_time_order=False):
            ros2.setdefault(channel.topic, []).append(plain(decoded))
    with AnyReader([Path(path)]) as reader:
        for connection, _, raw in reader.messages():
            bags.setdefault(connection.topic, []).append(plain(reader.deserialize(raw, connection.msgtype)))
    for topic in sorted(set(ros2) | set(bags)):
        expect(ros2.get(topic) == bags.get(topic), f"{topic}: the two readers differ")
    return ros2


def hypothesis(detection, thing, what):
    """The one result of a detection: class, track, score; its pose and covariance."""
    result = detection["results"][0]
    expect(len(detection["results"]) == 1, f"{what}: one hypothesis")
    expect(result["hypothesis"]["class_id"] == thing["class"], f"{what}: class")
    expect(detection["id"] == str(thing["track"]), f"{what}: track")
    expect(near(result["hypothesis"]["score"], thing.get("score", 0.0), SCORE), f"{what}: score")
    position = result["pose"]["pose"]["position"]
    return [position[axis] for axis in "xyz"], result["pose"]["covariance"]


def covariance_holds(place, covariance, thing, what):
    """Along the line of sight its sigma is that of the distance; it is symmetric and says that angles are unknown."""
    if "distance_sigma_m" not in thing:
        expect(covariance[0] == -1, f"{what}: covariance unknown")
        return
    length = sum(v * v for v in place) ** 0.5
    sight = [v / length for v in place]
    along = sum(sight[i] * covariance[6 * i + j] * sight[j] for i in range(3) for j in range(3))
    expect(near(along**0.5, thing["distance_sigma_m"], 2 * M), f"{what}: sigma {along ** 0.5}")
    expect(all(near(covariance[6 * i + j], covariance[6 * j + i], 1e-9) for i in range(6) for j in range(6)), f"{what}: symmetric")
    expect(covariance[21] > 9, f"{what}: angles")


def main(path, lines):
    topics = read_all(path)
    objects = [json.loads(line) for line in open(lines)]
    said = [json.loads(message["data"]) for message in topics["/ocellus/objects"]]
    expect(said == objects, "/ocellus/objects is not objects.jsonl")
    counts = {"boxes": 0, "places": 0}
    cameras = sorted({line["camera"] for line in objects if line["trigger"] == "camera"})
    for camera in cameras:
        of_camera = [line for line in objects if line.get("camera") == camera and "objects" in line]
        kinds = ["image_raw/compressed", "detections_2d", "detections_3d", "image_annotations", "scene"]
        streams = [topics.get(f"/{camera}/{kind}", []) for kind in kinds]
        if any(len(stream) != len(of_camera) for stream in streams):
            wrong.append(f"{camera}: {len(of_camera)} lines, messages {[len(s) for s in streams]}")
            continue
        for line, picture, flat, solid, drawn, scene in zip(of_camera, *streams):
            header, what = picture["header"], f"{camera} {line['seq']}"
            stamp = header["stamp"]["sec"] * 10**9 + header["stamp"]["nanosec"]
            expect(stamp == line["t_ns"], f"{what}: the picture's stamp")
            for message in (flat, solid):
                expect(message["header"] == header, f"{what}: header {message['header']} and not the picture's {header}")
                expect(all(d["header"] == header for d in message["detections"]), f"{what}: headers of detections")
            boxed = [thing for thing in line["objects"] if "box_px" in thing]
            placed = [thing for thing in line["objects"] if "position_m" in thing]
            expect(len(flat["detections"]) == len(boxed) == len(drawn["points"]) == len(drawn["texts"]), f"{what}: boxes")
            expect(len(solid["detections"]) == len(placed) == len(scene["entities"]), f"{what}: places")
            for thing, found in zip(boxed, flat["detections"]):
                hypothesis(found, thing, what)
                x0, y0, x1, y1 = thing["box_px"]
                centre, box = found["bbox"]["center"]["position"], found["bbox"]
                got = [centre["x"], centre["y"], box["size_x"], box["size_y"]]
                asked = [(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0]
                expect(all(near(a, b, PX) for a, b in zip(got, asked)), f"{what}: box {got}, not {asked}")
                counts["boxes"] += 1
            for thing, found, entity in zip(placed, solid["detections"], scene["entities"]):
                place, covariance = hypothesis(found, thing, what)
                if found["header"]["frame_id"].endswith("_optical_frame"):
                    range_m = sum(v * v for v in place) ** 0.5
                    expect(near(range_m, thing["distance_m"], 2 * M), f"{what}: {range_m} m, not {thing['distance_m']}")
                covariance_holds(place, covariance, thing, what)
                expect(entity["id"] == f"track-{thing['track']}", f"{what}: entity")
                expect(thing["class"] in entity["texts"][0]["text"], f"{what}: caption")
                counts["places"] += 1
    messages = {topic: len(found) for topic, found in sorted(topics.items())}
    print(json.dumps({"wrong": wrong[:20], **counts, "lines": len(objects), "topics": messages}))


if __name__ == "__main__":
    main(*sys.argv[1:3])
