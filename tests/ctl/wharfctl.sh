#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# wharfctl from outside: what each verb does to the users file and to certificates, what it says, and its exit codes.
# usage: wharfctl.sh PATH_OF_WHARFCTL PATH_OF_THE_EXAMPLE_WHARFD_CONF
set -u

ctl=$1
example=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

fail() {
	echo "FAILED: $*" >&2
	failed=1
}

# expect CODE STDOUT STDERR_BEGINNING -- command...
expect() {
	code=$1 out=$2 err=$3
	shift 4
	"$@" >out 2>err
	got=$?
	[ "$got" = "$code" ] || fail "$* ended with $got, not $code: $(cat err)"
	[ "$(cat out)" = "$out" ] || fail "$* printed: $(cat out)"
	case "$(cat err)" in
	"$err"*) ;;
	*) fail "$* complained: $(cat err)" ;;
	esac
	[ -n "$err" ] || [ ! -s err ] || fail "$* complained: $(cat err)"
}

# The same with a password on standard input.
with() {
	printf '%s\n' "$1" >password
	shift
	expect "$@" <password
}

add() {
	"$ctl" user add "$@" --file users --uid 1001 --gid 1002
}

# usage
expect 64 '' usage: -- "$ctl"
expect 64 '' usage: -- "$ctl" user
expect 64 '' usage: -- "$ctl" user nonsense
expect 64 '' usage: -- "$ctl" user add
expect 64 '' usage: -- "$ctl" user list surplus
expect 64 '' "wharfctl: unrecognized option '--uid'" -- "$ctl" user del a --uid 1
expect 64 '' 'wharfctl: --file and --config do not go together' -- \
	"$ctl" user list --file a --config b

# add: the file is made, private, and what is written is what was said
printf '# kept\n' >users
chmod 644 users
with 'open sesame' 0 '' '' -- add bob --root /srv/bob --rights read,list --expires 2030-01-31
[ "$(stat -c %a users)" = 600 ] || fail "mode of users: $(stat -c %a users)"
grep -q '^bob:\$y\$[^:]*:1001:1002:/srv/bob:read,list:2030-01-31$' users || fail "bob: $(cat users)"
with secret 0 '' '' -- add eve --method sha512crypt
grep -q '^eve:\$6\$[^:]*:1001:1002:::$' users || fail "eve: $(cat users)"
with secret 0 '' '' -- add ann --method bcrypt
grep -q '^ann:\$2b\$[^:]*:1001:1002:::$' users || fail "ann: $(cat users)"
[ "$(head -n 1 users)" = '# kept' ] || fail 'the comment is lost'
if grep -q -e sesame -e secret users; then fail 'a password is in the file'; fi

# refusals leave the file alone
cp users before
with x 1 '' 'wharfctl: user "bob" is there already' -- add bob
with '' 1 '' 'wharfctl: the password is empty' -- add carl
with "$(printf '%0512d' 0)" 1 '' 'wharfctl: the password is longer than 511 bytes' -- add carl
with "$(printf '%073d' 0)" 1 '' 'wharfctl: bcrypt takes no' -- add carl --method bcrypt
with x 64 '' 'wharfctl: "md5" is no method' -- add carl --method md5
with x 64 '' 'wharfctl: user add: a name is not' -- add ..
with x 64 '' 'wharfctl: user add: there are 8 fields' -- add a:b
with x 64 '' 'wharfctl: user add: a newline' -- add 'a
b'
with x 64 '' 'wharfctl: user add: the root folder' -- add carl --root srv
with x 64 '' 'wharfctl: user add: rights: "red" is not one of' -- add carl --rights red
with x 64 '' 'wharfctl: user add: the day' -- add carl --expires 2030-02-30
with x 64 '' 'wharfctl: "no such user" is no uid' -- \
	"$ctl" user add carl --file users --uid 'no such user' --gid 1
with x 1 '' 'wharfctl: there is no user "carl"' -- "$ctl" user passwd carl --file users
expect 1 '' 'wharfctl: there is no user "carl"' -- "$ctl" user del carl --file users
expect 1 '' 'wharfctl: nowhere/users: No such file' -- "$ctl" user list --file nowhere/users
cmp -s users before || fail 'a refusal changed the file'
if [ "$(id -u)" = 0 ]; then
	with x 64 '' 'wharfctl: user add: --uid and --gid' -- "$ctl" user add carl --file users
else
	with x 0 '' '' -- "$ctl" user add carl --file users
	grep -q "^carl:[^:]*:$(id -u):$(id -g):::\$" users || fail "carl: $(cat users)"
	"$ctl" user del carl --file users || fail 'carl stays'
fi

# a longest password is taken
with "$(printf '%0511d' 0)" 0 '' '' -- add long
expect 0 '' '' -- "$ctl" user del long --file users

# names of the system are ids
with x 0 '' '' -- "$ctl" user add sys --file users --uid root --gid root
grep -q '^sys:[^:]*:0:0:::$' users || fail "sys: $(cat users)"
expect 0 '' '' -- "$ctl" user del sys --file users

# list, show
expect 0 'bob
eve
ann' '' -- "$ctl" user list --file users
expect 0 'name: bob
password: yescrypt
uid: 1001
gid: 1002
root: /srv/bob
rights: read,list
expires: 2030-01-31' '' -- "$ctl" user show bob --file users
expect 1 '' 'wharfctl: there is no user "bo"' -- "$ctl" user show bo --file users

# passwd changes the hash and nothing else
old=$(sed -n 's/^bob:\([^:]*\):.*/\1/p' users)
with other 0 '' '' -- "$ctl" user passwd bob --file users --method sha512crypt
grep -q '^bob:\$6\$[^:]*:1001:1002:/srv/bob:read,list:2030-01-31$' users || fail "bob: $(cat users)"
[ "$old" != "$(sed -n 's/^bob:\([^:]*\):.*/\1/p' users)" ] || fail 'the hash is the old one'
[ "$(wc -l <users)" = 4 ] || fail "lines: $(cat users)"

# del keeps comments; a file without a newline at its end is no trap
expect 0 '' '' -- "$ctl" user del eve --file users
printf '# end' >>users
with x 0 '' '' -- add zoe
[ "$(sed 's/:.*//' users)" = '# kept
bob
ann
# end
zoe' ] || fail "after del and add: $(cat users)"

# the configuration names the file
printf 'users_file = "%s/users"\n' "$dir" >conf
expect 0 'bob
ann
zoe' '' -- "$ctl" user list --config conf
# the example is a valid configuration
printf 'include("%s")\nusers_file = "%s/users"\n' "$example" "$dir" >conf
expect 0 'bob
ann
zoe' '' -- "$ctl" user list --config conf
printf 'users_fil = x\n' >conf
expect 1 '' 'conf:1: "users_fil" is no option; did you mean users_file?' -- \
	"$ctl" user list --config conf

# the line of a mistake in the users file is told, whatever is done beside it
cp users whole
printf 'bad:x\nbob:!:1:1:::\n' >>users
expect 0 'bob
ann
zoe
bob' 'users:6: there are 2 fields' -- "$ctl" user list --file users
grep -q '^users:7: user "bob" is in line 2 already$' err || fail "twice: $(cat err)"
expect 0 '' 'users:6: ' -- "$ctl" user del ann --file users
with x 0 '' 'users:5: ' -- add eve
with x 0 '' 'users:5: ' -- "$ctl" user passwd zoe --file users
with x 1 '' 'users:5: ' -- "$ctl" user passwd bad --file users
grep -q '^wharfctl: there is no user "bad"$' err || fail "bad: $(cat err)"
with x 1 '' 'wharfctl: nowhere/users: No such file' -- "$ctl" user passwd bob --file nowhere/users
expect 0 '' 'users:5: ' -- "$ctl" user del bad --file users
mv whole users

# history: words that are no verdict
expect 64 '' 'wharfctl: rset is no verdict, which is one of complete, abor, reset, ' -- \
	"$ctl" history --config conf --verdict rset
grep -q '; did you mean reset?$' err || fail "rset: $(cat err)"
for word in fin close-notify disk-full complete tls-refused quota; do
	expect 1 '' 'conf:1: "users_fil" is no option' -- "$ctl" history --config conf --verdict "$word"
done
expect 64 '' 'wharfctl: xml is no format' -- "$ctl" quota --config conf --format xml

# certificate make: files that others read, with the modes that they need, and what was made is told
made() {
	want=$1
	shift
	"$ctl" certificate make "$@" >out 2>err || fail "certificate make $*: $(cat err)"
	[ "$(sed 's/\(until: \).*/\1/; s/\(sha256: \).*/\1/' out)" = "$want" ] || fail "certificate make $*: $(cat out)"
}
# What openssl says of a part of the certificate in $1.
told() {
	openssl x509 -in "$1" -noout "$2" ${3:+"$3"} | sed 's/^ *//'
}
names='localhost, 127.0.0.1,*.example.com,::1'
(
	umask 077
	made 'key: ECDSA P-256
names: localhost 127.0.0.1 *.example.com ::1
issuer: CN=localhost (self-signed)
until: 
sha256: ' --name "$names" --days 3 cert.pem key.pem
	exit $failed
) || failed=1
[ "$(stat -c %a cert.pem key.pem | tr '\n' ' ')" = '644 600 ' ] || fail "modes: $(stat -c '%n %a' ./*.pem)"
openssl verify -x509_strict -purpose sslserver -verify_hostname a.example.com -CAfile cert.pem cert.pem >out 2>&1 ||
	fail "openssl does not like it: $(cat out)"
openssl pkey -in key.pem -check -noout >out 2>&1 || fail "openssl does not like the key: $(cat out)"
[ "$(openssl pkey -in key.pem -pubout)" = "$(told cert.pem -pubkey)" ] || fail 'the key does not fit'
told cert.pem -ext subjectAltName >out
grep -qx 'DNS:localhost, IP Address:127.0.0.1, DNS:\*.example.com, IP Address:0:0:0:0:0:0:0:1' out || fail "names: $(cat out)"
openssl x509 -in cert.pem -noout -checkend $((3 * 86400 - 600)) >out || fail "it ends too early: $(told cert.pem -enddate)"
openssl x509 -in cert.pem -noout -checkend $((3 * 86400)) >out && fail "it ends too late: $(told cert.pem -enddate)"
made "key: RSA 2048
names: $(hostname) localhost
issuer: CN=$(hostname) (self-signed)
until: 
sha256: " --key-type rsa rsa.pem rsa.key
openssl rsa -in rsa.key -check -noout >out 2>&1 || fail "openssl does not like the RSA key: $(cat out)"
openssl x509 -in rsa.pem -noout -checkend $((364 * 86400)) >out || fail 'it is not valid for a year'
[ "$(told cert.pem -serial)" != "$(told rsa.pem -serial)" ] || fail 'two serial numbers are the same'

# It replaces nothing unless it is told to, and then it leaves no other file behind.
sum=$(cat cert.pem key.pem | sha256sum)
for pair in 'cert.pem new.key' 'new.pem key.pem' 'cert.pem key.pem'; do
	# shellcheck disable=SC2086
	expect 1 '' "wharfctl: $(echo "$pair" | tr ' ' '\n' | grep -v new | head -n 1) is there already; --force" -- \
		"$ctl" certificate make $pair
done
ln -s nowhere link.pem
expect 1 '' 'wharfctl: link.pem is there already' -- "$ctl" certificate make link.pem new.key
expect 1 '' 'wharfctl: ./new.pem: the certificate and the key need a file each' -- \
	"$ctl" certificate make --force new.pem ./new.pem
expect 1 '' 'wharfctl: nowhere/new.key: No such file' -- "$ctl" certificate make new.pem nowhere/new.key
expect 1 '' 'wharfctl: ./: Is a directory' -- "$ctl" certificate make new.pem ./
expect 64 '' 'wharfctl: "a b" is neither' -- "$ctl" certificate make new.pem new.key --name 'ok.example,a b'
expect 64 '' 'wharfctl: "" is neither' -- "$ctl" certificate make new.pem new.key --name 'ok.example,'
expect 64 '' 'wharfctl: "bücher.example" is neither' -- "$ctl" certificate make new.pem new.key --name bücher.example
for days in 0 -1 x 1x '' 36501; do
	expect 64 '' 'wharfctl: --days is a number from 1 to 36500' -- "$ctl" certificate make new.pem new.key --days "$days"
done
expect 64 '' 'wharfctl: "dsa" is no key type' -- "$ctl" certificate make new.pem new.key --key-type dsa
expect 64 '' usage: -- "$ctl" certificate make new.pem
expect 64 '' usage: -- "$ctl" certificate make new.pem new.key surplus
expect 64 '' "wharfctl: unrecognized option '--uid'" -- "$ctl" certificate make new.pem new.key --uid 1
[ "$(cat cert.pem key.pem | sha256sum)" = "$sum" ] || fail 'a refusal changed a file'
[ "$(find . -name '*new*' -o -name '.*.pem.*' -o -name '.*.key.*')" = '' ] || fail "left behind: $(ls -A)"
made 'key: ECDSA P-256
names: ftp.example.org
issuer: CN=ftp.example.org (self-signed)
until: 
sha256: ' --force --name ftp.example.org cert.pem key.pem
[ "$(cat cert.pem key.pem | sha256sum)" != "$sum" ] || fail '--force replaces nothing'
[ "$(openssl pkey -in key.pem -pubout)" = "$(told cert.pem -pubkey)" ] || fail 'the key does not fit'
[ "$(stat -c %a cert.pem key.pem | tr '\n' ' ')" = '644 600 ' ] || fail "modes: $(stat -c '%n %a' ./*.pem)"
[ "$(find . -name '.*.pem.*' -o -name '.*.key.*')" = '' ] || fail "left behind: $(ls -A)"

# certificate list: what is served, and what is wrong with it.  A CA of our own stands in for the world's.
ca() {
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -subj "/CN=$1" -out "$1.csr" \
		2>req || fail "openssl req: $(cat req)"
	printf 'basicConstraints=critical,CA:%s\nsubjectAltName=DNS:%s\n' "$3" "$1" >ext
	if [ "$2" = "$1" ]; then
		openssl x509 -req -in "$1.csr" -key "$1.key" -days 30 -extfile ext -out "$1.pem" 2>req
	else
		openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -set_serial 7 -days "$4" -extfile ext -out "$1.pem" 2>req
	fi || fail "openssl x509: $(cat req)"
}
ca root.example root.example TRUE
ca middle.example root.example TRUE 20
ca ftp.example middle.example FALSE 10
ca late.example middle.example FALSE -1
ca '*.wild.example' middle.example FALSE 10
openssl pkcs8 -topk8 -in ftp.example.key -passout pass:sesame -out sealed.key
cat ftp.example.pem middle.example.pem >chain.pem
cat ftp.example.pem middle.example.pem root.example.pem >whole.pem
cat ftp.example.pem root.example.pem middle.example.pem >order.pem
cat late.example.pem middle.example.pem >late.pem
cat '*.wild.example.pem' middle.example.pem >wild.pem
cp '*.wild.example.key' wild.key
cp ftp.example.key open.key
cat chain.pem ftp.example.key >both.pem
chmod 600 ./*.key both.pem
chmod 644 open.key
SSL_CERT_FILE=$dir/root.example.pem SSL_CERT_DIR=$dir/nowhere
export SSL_CERT_FILE SSL_CERT_DIR

# listed CODE WRONG CONF: the exit code, and the lines that say what is wrong, for a configuration
listed() {
	printf '%s\n' "$3" >conf
	"$ctl" certificate list --config conf >out 2>err </dev/null
	got=$?
	[ $got = "$1" ] || fail "certificate list ended with $got, not $1, for $3: $(cat out err)"
	[ "$(sed -n 's/^wrong: //p' out)" = "$2" ] || fail "certificate list told for $3: $(cat out err)"
}
served() {
	printf 'tls_certificate = {"%s/%s"}\n' "$dir" "$1"
	[ -z "$2" ] || printf 'tls_key = {"%s/%s"}\n' "$dir" "$2"
}
listed 0 '' 'tls_certificate = {}'
[ "$(cat out)" = 'No certificate is served: tls_certificate is empty.' ] || fail "none: $(cat out)"
listed 0 '' "$(served chain.pem ftp.example.key)"
[ "$(sed 's/^\(until: \)[-0-9]* [:0-9]* UTC ([0-9]* days/\1DAY (SOME days/' out)" = "host: (default)
certificate: $dir/chain.pem
key: ECDSA P-256
names: ftp.example
issuer: CN=middle.example
until: DAY (SOME days left)
sha256: $(openssl x509 -in chain.pem -outform DER | sha256sum | sed 's/ .*//')" ] || fail "chain: $(cat out)"
listed 0 '' "$(served both.pem '')"
listed 0 '' "$(served whole.pem ftp.example.key)"
listed 0 '' "$(served cert.pem key.pem)"
listed 1 "$dir/rsa.key: the key does not fit the certificate" "$(served chain.pem rsa.key)"
listed 1 "$dir/sealed.key: the key is protected by a passphrase, which nobody could type at start" \
	"$(served chain.pem sealed.key)"
listed 1 "$dir/chain.pem: no private key in it, and no other file was named for the key" "$(served chain.pem '')"
listed 1 "$dir/ftp.example.key: no certificate in it" "$(served ftp.example.key ftp.example.key)"
listed 1 "$dir/nowhere: No such file or directory" "$(served nowhere ftp.example.key)"
listed 1 "$dir/nowhere: No such file or directory" "$(served chain.pem nowhere)"
listed 1 "everybody may use the key: chmod o= $dir/open.key" "$(served chain.pem open.key)"
listed 1 'it expired 1 days ago' "$(served late.pem late.example.key)"
listed 1 'the chain is incomplete: "CN=middle.example" is neither in the file nor a CA that this system knows' \
	"$(served ftp.example.pem ftp.example.key)"
listed 1 'certificate 1 of the file is not by the one behind it' "$(served order.pem ftp.example.key)"
SSL_CERT_FILE=$dir/nowhere listed 1 \
	'the chain is incomplete: "CN=root.example" is neither in the file nor a CA that this system knows' \
	"$(served chain.pem ftp.example.key)"
SSL_CERT_FILE=$dir/nowhere listed 0 '' "$(served whole.pem ftp.example.key)"
block() {
	printf 'host "%s" {\n%s\n}\n' "$1" "$(served "$2" "$3")"
}
listed 0 '' "$(served cert.pem key.pem)
$(block ftp.example chain.pem ftp.example.key)
$(block '*.wild.example' wild.pem wild.key)
$(block a.wild.example wild.pem wild.key)"
[ "$(sed -n 's/^host: *//p' out | tr '\n' ' ')" = '(default) ftp.example *.wild.example a.wild.example ' ] || fail "hosts: $(cat out)"
[ "$(grep -c '^$' out)" = 3 ] || fail "blank lines: $(cat out)"
listed 1 "it is not for the host's name, \"ftp.example.org\"
it is not for the host's name, \"*.ftp.example\"
$dir/nowhere: No such file or directory" "$(block ftp.example.org chain.pem ftp.example.key)
$(block '*.ftp.example' chain.pem ftp.example.key)
$(block 'other.example' nowhere nowhere)"
listed 1 '' 'tls_certificat = x'
grep -q '^conf:1: "tls_certificat" is no option' err || fail "mistakes: $(cat err)"
expect 64 '' usage: -- "$ctl" certificate list surplus
expect 1 '' 'wharfctl: nowhere: No such file' -- "$ctl" certificate list --config nowhere

exit $failed
