#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# mdevctl's call-out for mHCA: /usr/lib/mdevctl/scripts.d/callouts/mhca.sh, or
# /etc/mdevctl.d/scripts.d/callouts/mhca.sh for mdevctl before 1.3.
#
# mdevctl runs it with the definition on standard input:
#   mhca.sh -t TYPE -e EVENT -a ACTION -s STATE -u UUID -p PARENT
# 0: good, 1: refused (the reason is on standard error), 2: not our type.

case "$2" in
mhca-*) ;;
*) exit 2 ;;
esac

exec "${MHCACTL:-/usr/sbin/mhcactl}" mdevctl "$@"
