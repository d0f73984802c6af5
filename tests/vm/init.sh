#!/bin/busybox sh
# The first and only process of the machine: loads the drivers, runs the program on their cameras, makes faults and notes
# what /metrics says of them. Everything it learns goes to the second serial port as a tar; judge.py reads it.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs -o size=300m none /tmp
while read -r module; do
  case $module in
    # Webcams, with a capture node and nothing else.
    vivid.ko*) insmod /modules/$module n_devs=2 node_types=0x1,0x1 num_inputs=1,1 input_types=0,0 ;;
    *) insmod /modules/$module ;;
  esac
done < /modules/order
ip link set lo up
ip link add vcan0 type vcan && ip link set vcan0 up
mkdir -p /tmp/out

control() { v4l2-ctl -d /dev/video0 --set-ctrl "$1" || echo "control $1 refused"; }
now() { cut -d' ' -f1 /proc/uptime; }
metrics() { wget -q -O - http://127.0.0.1:9464/metrics 2>/dev/null; }
# The value of the front camera's row that holds a text; 0 where there is none.
value() { metrics | grep 'sensor="front"' | grep -F "$1" | sed 's/.* //' | head -1 | grep . || echo 0; }

# Waits until a row of /metrics is more than it was; fails after so many seconds.
wait_more() { # text, was, seconds
  local end=$(($(cut -d. -f1 /proc/uptime) + $3))
  while [ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; do
    [ "$(value "$1")" -gt "$2" ] 2>/dev/null && return 0
    kill -0 $program 2>/dev/null || break
    sleep 0.1
  done
  echo "not seen within $3 s: $1 > $2"
  return 1
}

snapshot() { { echo "uptime $(now)"; metrics; } > "/tmp/out/$1"; }

# One fault: made, waited for, kept for a while, lifted, waited for that all is well again.
fault() { # name, text of the row of /metrics that must grow, by more than, seconds it is kept, make, lift
  kill -0 $program 2>/dev/null || return
  echo "fault $1"
  local was=$(value "$2") seen=yes
  snapshot "$1.0before"
  now > "/tmp/out/$1.made"
  eval "$5"
  wait_more "$2" $((was + $3)) 60 || seen=no
  now > "/tmp/out/$1.seen"
  echo $seen > "/tmp/out/$1.noticed"
  sleep "$4"
  snapshot "$1.1during"
  now > "/tmp/out/$1.lifted"
  eval "$6"
  local processed=$(value 'outcome="processed"')
  wait_more 'outcome="processed"' $((processed + 2)) 60
  wait_more 'state="fresh"' 0 60 && now > "/tmp/out/$1.well"
  snapshot "$1.2after"
}

uname -r
ls /dev/video*
ocellus doctor --ort-lib /libonnxruntime.so > /tmp/out/doctor.txt 2>&1
echo $? > /tmp/out/doctor.code

# Every format that vivid has, quiet: nothing may be lost.
for formats in yuyv:nv12 uyvy:grey y16:yuyv; do
  name=quiet_${formats%:*}_${formats#*:}
  echo "$name"
  ocellus run /vm.toml --set output.dir=/tmp/out/$name --set live.seconds=6 --set camera.0.hz=5 --set camera.1.hz=5 \
    --set camera.0.format=${formats%:*} --set camera.1.format=${formats#*:} > /tmp/out/$name.txt 2>&1
  echo $? > /tmp/out/$name.code
  echo "$name: exit code $(cat /tmp/out/$name.code)"
  [ "$(cat /tmp/out/$name.code)" = 0 ] || cat /tmp/out/$name.txt
done

# Obstacles on a CAN bus, read by candump. What is done is marked on the same bus, so that the log tells what came after what.
# The driver's fault for 4 s: perception stands still and the program does not. The interface down for 2 s. Then kill -9.
echo can
mark() { cansend vcan0 "7FF#$1"; }
frames() { grep -c ' 600#' /tmp/out/candump.log; }
cycles() { # how many more to wait for, at most so many seconds
  local goal=$(($(frames) + $1)) end=$(($(cut -d. -f1 /proc/uptime) + $2))
  while [ "$(frames)" -lt $goal ] && [ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; do sleep 0.1; done
}
candump -D -L vcan0 > /tmp/out/candump.log &
reader=$!
ocellus run /can.toml > /tmp/out/can.txt 2>&1 &
program=$!
cycles 30 60
mark 01
control percentage_of_dropped_buffers=100
sleep 4
mark 02
control percentage_of_dropped_buffers=0
cycles 30 30
mark 03
ip link set vcan0 down
sleep 2
ip link set vcan0 up
mark 04
cycles 20 30
kill -0 $program && mark 05
kill -9 $program
wait $program
mark 06
sleep 2
kill $reader
echo "can: $(frames) cycles"

ocellus run /vm.toml --set output.dir=/tmp/out/faults > /tmp/out/faults.txt 2>&1 &
program=$!
wait_more 'outcome="processed"' 20 120 || cat /tmp/out/faults.txt
restarts=ocellus_sensor_restarts_total
missed='reason="missed"'
fault lost_frames "$missed" 0 3 'control percentage_of_dropped_buffers=30' 'control percentage_of_dropped_buffers=0'
fault damaged_frame 'reason="corrupt"' 0 0 'control inject_v4l2_buf_flag_error=1' true
fault buffer_refused $restarts 0 0 'control inject_vidioc_qbuf_error=1' true
fault streaming_error $restarts 0 0 'control inject_fatal_streaming_error=1' true
fault opening_refused $restarts 1 0 'control inject_vidioc_streamon_error=1; control inject_fatal_streaming_error=1' true
fault stall $restarts 0 2 'control percentage_of_dropped_buffers=100' 'control percentage_of_dropped_buffers=0'
# vivid plugs itself in again when nobody has it open: it stays out while it is held open here.
fault disconnect 'state="stale"' 0 3 'exec 3</dev/video0; control disconnect=1' 'exec 3<&-'
fault black 'state="blind"' 0 1 'control osd_text_mode=2; control test_pattern=5' 'control test_pattern=0; control osd_text_mode=0'
# The driver's numbers begin 128 before their end with the next stream.
fault numbers_wrap $restarts 0 15 'control wrap_sequence_number=1; control inject_fatal_streaming_error=1' \
  'control wrap_sequence_number=0'

now > /tmp/out/term.made
kill -TERM $program
wait $program
echo $? > /tmp/out/faults.code
now > /tmp/out/term.seen

dmesg > /tmp/out/dmesg.txt
stty -F /dev/ttyS1 raw
tar c -C /tmp/out . > /dev/ttyS1
sync
poweroff -f
