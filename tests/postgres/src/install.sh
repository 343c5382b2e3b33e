# Installs Debian's or Ubuntu's Postgres without a cluster of its own: the package would otherwise
# make one and start it on port 5432. The common package goes first, because it brings the file that
# the drop-in is included from. The drop-in is removed again: who later wants the system's cluster gets it.
set -eu
export DEBIAN_FRONTEND=noninteractive
common=${1:-/etc/postgresql-common}
dropin=$common/createcluster.d/autopilot.conf

install() { apt-get install -y --no-install-recommends "$1"; }

# The lists of a fresh image are empty, those of an old one name packages that are gone.
install postgresql-common || { apt-get update && install postgresql-common; }
mkdir -p "$common/createcluster.d"
trap 'rm -f "$dropin"' EXIT
echo "create_main_cluster = false" >"$dropin"
install postgresql
