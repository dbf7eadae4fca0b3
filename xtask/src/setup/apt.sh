#!/bin/sh
# Installs the Debian packages given as arguments; none of them starts a service or creates a database cluster.
set -eu
export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
dropin=/etc/postgresql-common/createcluster.d/billing-xtask.conf
ours=
trap 'rm -f "$dropin" $ours' EXIT
trap 'exit 130' HUP INT TERM

if [ ! -e "$policy" ]; then
    ours=$policy
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
mkdir -p "${dropin%/*}"
echo 'create_main_cluster = false' >"$dropin"

apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
