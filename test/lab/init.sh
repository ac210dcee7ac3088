# PID 1 of the lab until the agent takes over: from the host's read-only root to a root of the lab's own, in which whatever
# is written goes to the scratch disk. The kernel hands over LAB_PARTS and LAB_AGENT, what was unpacked and built for the lab.
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
parts=$LAB_PARTS

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mountpoint -q /dev || mount -t devtmpfs devtmpfs /dev
# kmod goes by the name it is called by.
ln -s "$parts/root/usr/bin/kmod" /dev/modprobe
modprobe() { LD_LIBRARY_PATH=$(echo "$parts"/root/usr/lib/*-linux-gnu) /dev/modprobe -d "$parts/root" "$@"; }
modprobe -a virtio_blk overlay

# User-mode Linux has names of its own for the disk and the agent's line.
if [ -e /dev/ubda ]; then disk=/dev/ubda port=/dev/ttyS0; else disk=/dev/vda port=; fi
# The scratch disk is a real file system: a file in it is page cache, not memory of who wrote it.
mount -o noatime "$disk" /tmp
# Of one that was used before, only /scratch stays: the rest was not synced when that lab ended. systemd does that.
[ -n "${LAB_SYSTEMD:-}" ] || rm -rf /tmp/upper
rm -rf /tmp/work
mkdir -p /tmp/upper /tmp/work /tmp/root /tmp/scratch
chmod 1777 /tmp/scratch
mount -t overlay -o lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work overlay /tmp/root
mkdir -p /tmp/root/scratch
mount --bind /tmp/scratch /tmp/root/scratch
mount -t proc proc /tmp/root/proc
mount -t sysfs sysfs /tmp/root/sys
mount --rbind /dev /tmp/root/dev
cd /tmp/root
# Not chroot: inside one, no user namespace can be made.
pivot_root . mnt
umount -l /mnt
cd /

mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
# As udev would make it: what a shell's <(command) leads to.
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock

# Modules of this kernel, and the tools that load them where the host, being a container, has none.
mkdir -p /usr/lib/modules
mount --bind "$parts/root/usr/lib/modules" /usr/lib/modules
if [ ! -e /usr/sbin/modprobe ]; then
  cp -a "$parts"/root/usr/bin/* /usr/bin/
  cp -a "$parts"/root/usr/sbin/* /usr/sbin/
  cp -a "$parts"/root/usr/lib/*-linux-gnu /usr/lib/
fi
rm /dev/modprobe
# The processor that QEMU emulates is an AMD with virtualization; a real one may be Intel's, or have none.
/usr/sbin/modprobe -q kvm_amd || /usr/sbin/modprobe -q kvm_intel || true
# Nobody loads these on demand here: what opens /dev/net/tun or makes a bridge finds them loaded.
/usr/sbin/modprobe -qa tun bridge vhost_net || true
# Hypervisors of tests run as nobody.
[ ! -e /dev/kvm ] || chmod 666 /dev/kvm
ip link set lo up 2>/dev/null || true
# Guests of tests are larger than the lab, and touch little of it.
echo 1 > /proc/sys/vm/overcommit_memory
for each in /sys/class/virtio-ports/*; do
  [ -n "$port" ] || [ "$(cat "$each/name")" != lab ] || port=/dev/${each##*/}
done
[ -z "${LAB_SYSTEMD:-}" ] || . "$(dirname "$0")/systemd.sh"
exec "$LAB_AGENT" "$port"
