#!/usr/bin/perl
# ratings: the demo's last service; it knows nothing of a mesh.
#
#   ratings.pl PORT
#
# GET anything: {"stars": 5}. Four processes take connections in turn and answer
# one request on each.
use strict;
use warnings;
use IO::Socket::INET;

my $port = shift // die "usage: ratings.pl PORT\n";
my $listener = IO::Socket::INET->new(
    LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 512, ReuseAddr => 1)
    or die "ratings: listen on $port: $!\n";

$SIG{PIPE} = 'IGNORE';
my @children;
for (1 .. 3) {
    my $child = fork // die "ratings: fork: $!\n";
    if ($child == 0) { serve(); exit 0 }
    push @children, $child;
}
$SIG{TERM} = $SIG{INT} = sub { kill 'TERM', @children; exit 0 };
serve();

sub serve {
    while (1) {
        my $client = $listener->accept or next;
        my $head = '';
        while ($head !~ /\r\n\r\n/ && length $head < 65536) {
            my $n = sysread $client, $head, 4096, length $head;
            last unless $n;
        }
        if ($head =~ /\r\n\r\n/) {
            my $body = "{\"stars\": 5}\n";
            syswrite $client, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                . 'Content-Length: ' . length($body) . "\r\nConnection: close\r\n\r\n$body";
        }
        close $client;
    }
}
