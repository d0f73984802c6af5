"""Independent readers and writers of MCAP, against which ours are checked.

    python read_mcap.py read FILE             what mcap-ros2-support and rosbags read
    python read_mcap.py write-foxglove FILE   a recording of Foxglove messages in protobuf
    python read_mcap.py write-ros2 FILE       a recording of ROS 2 messages in CDR

Needs the packages of requirements_mcap.txt.
"""

import json
import struct
import sys
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import Writer
from mcap_ros2.decoder import DecoderFactory
from rosbags.highlevel import AnyReader

START_NS = 1_700_000_000_000_000_000


def plain(value):
    """A decoded message as JSON can hold it; byte arrays by their length and sum."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"bytes": len(value), "sum": sum(bytes(value))}
    if hasattr(value, "dtype"):
        if value.dtype.name == "uint8":
            return {"bytes": int(value.size), "sum": int(value.sum())}
        return [plain(v) for v in value.tolist()]
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (bool, int, float, str)):
        return value
    names = getattr(value, "__dataclass_fields__", None) or value.__slots__
    # One of the two readers shows constants as members.
    fields = [name for name in names if not name.startswith("_") and not name.isupper()]
    return {name: plain(getattr(value, name)) for name in fields}


def read(path):
    ros2, bags = {}, {}
    with open(path, "rb") as file:
        reader = make_reader(file, decoder_factories=[DecoderFactory()], validate_crcs=True)
        assert reader.get_header().profile == "ros2"
        assert reader.get_summary() is not None
        for _, channel, _, decoded in reader.iter_decoded_messages():
            entry = ros2.setdefault(channel.topic, {"count": 0, "first": plain(decoded)})
            entry["count"] += 1
    with AnyReader([Path(path)]) as reader:
        for connection, _, raw in reader.messages():
            decoded = reader.deserialize(raw, connection.msgtype)
            entry = bags.setdefault(connection.topic, {"count": 0, "first": plain(decoded)})
            entry["count"] += 1
    print(json.dumps({"mcap_ros2": ros2, "rosbags": bags}))


def write_foxglove(path):
    from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
    from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
    from foxglove_schemas_protobuf.FrameTransform_pb2 import FrameTransform
    from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
    from foxglove_schemas_protobuf.Grid_pb2 import Grid
    from foxglove_schemas_protobuf.PackedElementField_pb2 import PackedElementField
    from foxglove_schemas_protobuf.PointCloud_pb2 import PointCloud
    from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
    from mcap_protobuf.writer import Writer as ProtobufWriter

    def stamped(message, ns):
        message.timestamp.FromNanoseconds(ns)
        return message

    def transform(parent, child, xyz, xyzw, ns):
        link = stamped(FrameTransform(parent_frame_id=parent, child_frame_id=child), ns)
        link.translation.x, link.translation.y, link.translation.z = xyz
        link.rotation.x, link.rotation.y, link.rotation.z, link.rotation.w = xyzw
        return link

    optical = (-0.5, 0.5, -0.5, 0.5)
    no_turn = (0.0, 0.0, 0.0, 1.0)
    with open(path, "wb") as file, ProtobufWriter(file) as writer:

        def write(topic, message, ns):
            writer.write_message(topic, message, log_time=ns, publish_time=ns)

        fixed = FrameTransforms()
        fixed.transforms.append(transform("base_link", "camera_optical", (1.0, 0.0, 0.5), optical, START_NS))
        fixed.transforms.append(transform("base_link", "lidar_frame", (0.0, 0.0, 1.5), no_turn, START_NS))
        write("/tf_static", fixed, START_NS)
        for i in range(3):
            ns = START_NS + i * 100_000_000
            write("/tf", transform("odom", "base_link", (float(i), 0.0, 0.0), no_turn, ns), ns)
            calibration = CameraCalibration(width=640, height=480, distortion_model="plumb_bob", frame_id="camera_optical")
            calibration.D.extend([0.1, 0.0, 0.0, 0.0, 0.0])
            calibration.K.extend([500, 0, 320, 0, 500, 240, 0, 0, 1])
            write("/camera/camera_info", stamped(calibration, ns), ns)
            picture = CompressedImage(frame_id="camera_optical", data=b"\xff\xd8\xff\xe0\xff\xd9", format="jpeg")
            write("/camera/image/compressed", stamped(picture, ns), ns)
            raw = RawImage(frame_id="thermal", width=4, height=2, encoding="mono8", step=4, data=bytes(range(8)))
            write("/thermal/image", stamped(raw, ns), ns)
            cloud = PointCloud(frame_id="lidar_frame", point_stride=13)
            cloud.pose.position.z = 2.0
            cloud.pose.orientation.w = 1.0
            types = PackedElementField
            fields = [("intensity", 0, types.UINT8), ("x", 1, types.FLOAT32), ("y", 5, types.FLOAT32), ("z", 9, types.FLOAT32)]
            for name, offset, number in fields:
                cloud.fields.add(name=name, offset=offset, type=number)
            cloud.data = struct.pack("<Bfff", 255, 1, 2, 3) + struct.pack("<Bfff", 51, 4, 5, 6)
            write("/lidar/points", stamped(cloud, ns), ns)
            write("/grid", stamped(Grid(frame_id="map"), ns), ns)


def write_ros2(path):
    from mcap_ros2.writer import Writer as Ros2Writer

    header = "std_msgs/Header header\n"
    rule = "=" * 80 + "\n"
    stamp = rule + "MSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"
    stamp += rule + "MSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
    points = header + "uint32 height\nuint32 width\nsensor_msgs/PointField[] fields\nbool is_bigendian\n"
    points += "uint32 point_step\nuint32 row_step\nuint8[] data\nbool is_dense\n" + stamp
    points += rule + "MSG: sensor_msgs/PointField\nstring name\nuint32 offset\nuint8 datatype\nuint32 count\n"
    links = "geometry_msgs/TransformStamped[] transforms\n"
    links += rule + "MSG: geometry_msgs/TransformStamped\n" + header + "string child_frame_id\ngeometry_msgs/Transform transform\n"
    links += rule + "MSG: geometry_msgs/Transform\ngeometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation\n"
    links += rule + "MSG: geometry_msgs/Vector3\nfloat64 x\nfloat64 y\nfloat64 z\n"
    links += rule + "MSG: geometry_msgs/Quaternion\nfloat64 x\nfloat64 y\nfloat64 z\nfloat64 w\n" + stamp
    at = {"stamp": {"sec": START_NS // 10**9, "nanosec": 5}}
    with open(path, "wb") as file:
        writer = Ros2Writer(file)
        tf = writer.register_msgdef("tf2_msgs/msg/TFMessage", links)
        transform = {
            "translation": {"x": 1.0, "y": 2.0, "z": 3.0},
            "rotation": {"x": 0.0, "y": 0.0, "z": 0.0, "w": 1.0},
        }
        link = {"header": {**at, "frame_id": "/base_link"}, "child_frame_id": "lidar", "transform": transform}
        writer.write_message("/tf_static", tf, {"transforms": [link]}, START_NS, START_NS)
        cloud = writer.register_msgdef("sensor_msgs/msg/PointCloud2", points)
        # Doubles, big-endian, ring before x, four bytes of padding behind.
        fields = [("ring", 0, 4), ("x", 2, 8), ("y", 10, 8), ("z", 18, 8), ("intensity", 26, 7)]
        message = {
            "header": {**at, "frame_id": "lidar"},
            "height": 1,
            "width": 1,
            "fields": [{"name": n, "offset": o, "datatype": t, "count": 1} for n, o, t in fields],
            "is_bigendian": True,
            "point_step": 34,
            "row_step": 34,
            "data": struct.pack(">Hdddf4x", 12, 1.5, -2.5, 3.5, 0.5),
            "is_dense": True,
        }
        writer.write_message("/lidar/points", cloud, message, START_NS, START_NS)
        writer.finish()


if __name__ == "__main__":
    {"read": read, "write-foxglove": write_foxglove, "write-ros2": write_ros2}[sys.argv[1]](sys.argv[2])
