# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The wharfd authors
#
# Perl's Net::FTP as a client: see clients.py.
use strict;
use warnings;
use File::Find;
use Net::FTP;

my ($host, $port, $user, $password, $way, $tls, $job, $from, $to) = @ARGV;
my ($kind, $version, $ca) = split /,/, $tls, 3;
my %tls;
if ($kind ne 'clear') {
	%tls = (SSL_ca_file => $ca, SSL_version => $version eq '1.2' ? 'TLSv12' : 'TLSv13');
	$tls{SSL} = 1 if $kind eq 'implicit';
}
my $ftp = Net::FTP->new($host, Port => $port, Passive => $way eq 'passive' ? 1 : 0, Timeout => 60, %tls)
	or die "connect: $@";
if ($kind eq 'explicit') {
	$ftp->starttls or die $ftp->message;
}
$ftp->login($user, $password) or die $ftp->message;
$ftp->binary;

sub ok { my $what = shift; return $_[0] // die "$what: " . $ftp->message; }

sub put_tree {
	my ($local, $remote) = @_;
	ok("mkdir $remote", $ftp->mkdir($remote) || undef);
	opendir(my $dir, $local) or die $!;
	for my $name (sort grep { !/^\.\.?$/ } readdir $dir) {
		if (-d "$local/$name") { put_tree("$local/$name", "$remote/$name"); }
		else { ok("put $name", $ftp->put("$local/$name", "$remote/$name")); }
	}
}

sub get_tree {
	my ($remote, $local) = @_;
	mkdir $local;
	for my $line ($ftp->dir($remote)) {
		next unless $line =~ /^([-d])(?:\S+\s+){8}(.*)$/;
		if ($1 eq 'd') { get_tree("$remote/$2", "$local/$2"); }
		else { ok("get $2", $ftp->get("$remote/$2", "$local/$2")); }
	}
}

my %jobs = (
	put_tree => sub { put_tree($from, $to) },
	get_tree => sub { get_tree($from, $to) },
	put_file => sub { ok('put', $ftp->put($from, $to)) },
	get_file => sub { ok('get', $ftp->get($from, $to)) },
	resume_put => sub {
		my $done = ok('size', $ftp->size($to));
		open(my $in, '<:raw', $from) or die $!;
		seek($in, $done, 0) or die $!;
		ok('append', $ftp->append($in, $to));
	},
	resume_get => sub { ok('get', $ftp->get($from, $to, -s $to)) },
);
$jobs{$job}->();
$ftp->quit;
