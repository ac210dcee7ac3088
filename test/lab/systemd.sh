# Read by init.sh where systemd is to be PID 1: makes this root one of its hosts, once, and becomes it. LAB_SYSTEMD is where it was
# unpacked; `/`: the host has it. What the host's own packages would start is no business of a lab: but for the journal, all
# of systemd's own wants go, and so do generators.
units=/etc/systemd/system
if [ ! -e $units/lab-agent.service ]; then
  [ "$LAB_SYSTEMD" = / ] || cp -a "$LAB_SYSTEMD/usr/." /usr/
  rm -rf /etc/systemd /usr/lib/systemd/system-generators
  # A host that is a container says so; this one is not.
  rm -f /.dockerenv /run/.containerenv
  for each in /usr/lib/systemd/system/*.wants/*; do
    case ${each##*/} in
      systemd-journald*.socket | systemd-journald.service | systemd-journal-flush.service) ;;
      *) rm "$each" ;;
    esac
  done
  mkdir -p $units/sysinit.target.wants /var/log/journal
  ln -s /usr/lib/systemd/system/multi-user.target $units/default.target
  ln -s ../lab-agent.service $units/sysinit.target.wants/lab-agent.service
  tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id
  sed "s|@agent@|$LAB_AGENT|; s|@port@|$port|" "$(dirname "$0")/lab-agent.service" > $units/lab-agent.service
fi
# It mounts its own, with options of its own.
umount /sys/fs/cgroup
exec env -i PATH="$PATH" /usr/lib/systemd/systemd
