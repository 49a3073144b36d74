#!/usr/bin/perl
# tidy.pl - the rules of the house that a script can hold (run by `make tidy`).
#
#   layers    src/X includes only what tools/layers.txt grants X
#   faces     from outside a folder only <folder>/<folder>.h (base/, os/: any header)
#   sizes     a function has at most 70 lines, a file at most 1,000
#   calls     strcpy sprintf strcat atoi strtok gmtime localtime rand are banned;
#             malloc & co. live in base/ and in the files tools/malloc-homes.txt names
#   globals   no file-scope variable that can change, but those tools/globals.txt names
#   text      lines of at most 100 columns, no tabs, no trailing blanks, guards
#   places    no path of the machine it was written on, no registry host
#
# Prints one line per offence, "file:line: what", and exits 1 if there is any.
use strict;
use warnings;

my $FUNCTION_LINES = 70;
my $FILE_LINES     = 1000;
my $COLUMNS        = 100;
my $offences       = 0;

sub offence { my ($where, $what) = @_; print "$where: $what\n"; $offences++; }

sub read_lines {
    my ($path) = @_;
    open(my $file, '<', $path) or die "tidy: cannot read $path: $!\n";
    my @lines = <$file>;
    chomp @lines;
    return @lines;
}

# name -> reason, from lines "path  reason"
sub read_list {
    my ($path) = @_;
    my %list;
    return %list unless -e $path;
    for (read_lines($path)) {
        next if /^\s*(#|$)/;
        my ($name, $reason) = split(/\s+/, $_, 2);
        offence($path, "$name stands without a reason") unless $reason;
        $list{$name} = $reason;
    }
    return %list;
}

my %layers;
for (read_lines('tools/layers.txt')) {
    next if /^\s*(#|$)/;
    my ($folder, $granted) = /^(\w+):\s*(.*)$/ or die "tidy: tools/layers.txt: $_\n";
    $layers{$folder} = { map { $_ => 1 } split(/\s+/, $granted) };
}
my %malloc_homes = read_list('tools/malloc-homes.txt');
my %globals      = read_list('tools/globals.txt');

sub check_include {
    my ($where, $folder, $path) = @_;
    my ($other) = $path =~ m{^(\w+)/} or return;
    return if $other eq $folder || $other eq 'gen';
    my $granted = $layers{$folder} or return offence($where, "folder $folder has no row in tools/layers.txt");
    return if $granted->{$path};
    return offence($where, "$folder/ may not include $path (tools/layers.txt)") unless $granted->{$other};
    return if $other eq 'base' || $other eq 'os' || $path eq "$other/$other.h";
    offence($where, "$path is private to $other/: include $other/$other.h");
}

# Comments and literals blanked, so that words inside them do not count.
sub bare {
    my ($text) = @_;
    $text =~ s{(/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+')}
              {my $t = $1; $t =~ s/[^\n]/ /g; $t}gse;
    return $text;
}

sub check_functions {
    my ($path, @lines) = @_;
    my ($start, $name) = (0, '');
    for my $i (0 .. $#lines) {
        if ($lines[$i] =~ /^\{/) { $start = $i + 1; }
        elsif ($lines[$i] =~ /^\}/ && $start) {
            my $length = $i + 2 - $start;
            offence("$path:$start", "a function of $length lines (at most $FUNCTION_LINES)")
                if $length > $FUNCTION_LINES && $lines[$i] =~ /^\}\s*$/;
            $start = 0;
        }
    }
}

sub check_words {
    my ($path, $strict, @lines) = @_;
    for my $i (0 .. $#lines) {
        my $where = "$path:" . ($i + 1);
        offence($where, "banned call $1()")
            if $lines[$i] =~ /\b(strcpy|strcat|sprintf|vsprintf|atoi|atol|strtok|gmtime|localtime|rand|srand|gets)\s*\(/;
        next unless $strict;
        offence($where, "$1() outside base/ and tools/malloc-homes.txt")
            if $lines[$i] =~ /\b(malloc|calloc|realloc|strdup|free)\s*\(/
            && $path !~ m{^src/base/} && !$malloc_homes{$path};
        offence($where, 'a file-scope variable that can change')
            if $lines[$i] =~ /^(static\s+)(?!const\b|inline\b|_Noreturn\b)[^(]*(;|=)/
            && $lines[$i] !~ /\*const\b|\bconst\s+\w+\s*(\[|=)/
            && $lines[$i] !~ /^static\s+(struct|enum|union)?\s*\w+\s*\w*\s*;?\s*$/
            && !$globals{$path};
    }
}

sub check_text {
    my ($path, @lines) = @_;
    for my $i (0 .. $#lines) {
        my $where = "$path:" . ($i + 1);
        my $line  = $lines[$i];
        offence($where, 'a tab')              if $line =~ /\t/ && $path !~ /Makefile|\.mk$/;
        offence($where, 'a trailing blank')   if $line =~ /[ \t]$/;
        my $columns = () = $line =~ /[\x00-\x7f\xc0-\xff]/g;
        offence($where, "$columns columns (at most $COLUMNS)") if $columns > $COLUMNS;
    }
    offence($path, scalar(@lines) . " lines (at most $FILE_LINES)") if @lines > $FILE_LINES;
}

sub check_guard {
    my ($path, $text) = @_;
    (my $guard = uc($path)) =~ s{^SRC/}{};
    $guard =~ s{[^A-Z0-9]}{_}g;
    offence($path, "the guard must be $guard") unless $text =~ /#ifndef \Q$guard\E\n#define \Q$guard\E\n/;
    offence($path, 'a header begins with a comment that says what it is for')
        unless $text =~ m{^/\* };
}

sub check_source {
    my ($path) = @_;
    my @lines = read_lines($path);
    my $text  = join("\n", @lines) . "\n";
    my @bare  = split(/\n/, bare($text), -1);
    check_text($path, @lines);
    my $is_src = $path =~ m{^src/(\w+)/};
    my $folder = $1;
    check_functions($path, @bare) if $path =~ m{^(src|tools)/};
    check_words($path, $is_src, @bare);
    return unless $is_src;
    check_guard($path, $text) if $path =~ /\.h$/;
    for my $i (0 .. $#lines) {
        check_include("$path:" . ($i + 1), $folder, $1) if $lines[$i] =~ /^\s*#\s*include\s+"([^"]+)"/;
    }
}

sub check_places {
    my ($path) = @_;
    return if $path eq 'tools/tidy/tidy.pl' || -B $path;
    my @lines = read_lines($path);
    for my $i (0 .. $#lines) {
        offence("$path:" . ($i + 1), "a path of one machine: $1")
            if $lines[$i] =~ m{(?<![\w.])(/work/|/farm/|/root/|/home/\w)};
        offence("$path:" . ($i + 1), "a registry host: $1")
            if $lines[$i] =~ m{\b(registry\.npmjs\.org|deb\.debian\.org|pypi\.org|packages\.fhir\.org)\b};
    }
}

my @tracked = split(/\n/, `git ls-files --cached --others --exclude-standard`);
@tracked = grep { -f $_ } @tracked;
check_source($_) for grep { m{^(src|tools|tests|bench)/.*\.[ch]$} && !m{/corpus/} } @tracked;
check_places($_) for grep { !m{^(spec/.*\.txt$|tests/fuzz/corpus/)} } @tracked;

my $files = @tracked;
print "tidy: $files files, ", ($offences ? "$offences offences" : 'nothing to mend'), "\n";
exit($offences ? 1 : 0);
