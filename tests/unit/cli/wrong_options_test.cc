#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command.h"

// Every way to be wrong ends with exit code 2 and one line that names the option, the value, what
// is the matter and what to do. These lines are read by people and by scripts: they stand here in
// full.
namespace pollux::cli {
namespace {

struct Wrong {
  std::vector<std::string> words;
  std::string line;
};

/// So that a failing case shows its words.
void PrintTo(const Wrong& wrong, std::ostream* out) {
  for (const std::string& word : wrong.words) *out << word << ' ';
}

const std::vector<std::string> device{"--device", "tap:p0", "--address", "10.0.0.2/24"};

std::vector<std::string> with_device(const std::vector<std::string>& words) {
  std::vector<std::string> all = device;
  all.insert(all.end(), words.begin(), words.end());
  return all;
}

class WrongShared : public testing::TestWithParam<Wrong> {};

TEST_P(WrongShared, IsRefusedByHttpd) {
  const Parsed<HttpdOptions> parsed = httpd(with_device(GetParam().words));
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.text, "error: " + GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(
    Words, WrongShared,
    testing::Values(
        Wrong{{"--cors", "1"}, "--cors: not an option of pollux-httpd; try: --cores"},
        Wrong{{"--zzz"}, "--zzz: not an option of pollux-httpd; try: pollux-httpd --help"},
        Wrong{{"-x"}, "-x: not an option of pollux-httpd; try: pollux-httpd --help"},
        Wrong{{"--cors=1"}, "--cors: not an option of pollux-httpd; try: --cores"},
        Wrong{{"word"}, "'word': belongs to no option; try: pollux-httpd --help"},
        Wrong{{"--", "word"}, "'word': belongs to no option; try: pollux-httpd --help"},
        Wrong{{"two\nlines"}, "'two\\x0alines': belongs to no option; try: pollux-httpd --help"},
        Wrong{{"--cores"}, "--cores: its value is missing; try: --cores LIST"},
        Wrong{{"--cores="}, "--cores: its value is missing; try: --cores LIST"},
        Wrong{{"--no-huge=yes"}, "--no-huge 'yes': takes no value; try: --no-huge"},
        Wrong{{"--target", "10.0.0.1:80"},
              "--target: not an option of pollux-httpd; try: pollux-load"},
        Wrong{{"--cps", "5"},
              "--cps: not an option of pollux-httpd; try: pollux-load or pollux-bench"}));

INSTANTIATE_TEST_SUITE_P(
    Machine, WrongShared,
    testing::Values(
        Wrong{{"--cores", "a"},
              "--cores 'a': not a list of core numbers from 0 to 1023; try: --cores 0,1"},
        Wrong{{"--cores", "1,"},
              "--cores '1,': not a list of core numbers from 0 to 1023; try: --cores 0,1"},
        Wrong{{"--cores", "-1"},
              "--cores '-1': not a list of core numbers from 0 to 1023; try: --cores 0,1"},
        Wrong{{"--cores", "1024"},
              "--cores '1024': not a list of core numbers from 0 to 1023; try: --cores 0,1"},
        Wrong{{"--cores", "3-1"},
              "--cores '3-1': a range of cores ends before it begins; try: --cores 0,1"},
        Wrong{{"--cores", "0,1-3,2"},
              "--cores '0,1-3,2': core 2 stands in it twice; try: --cores "
              "0,1"},
        Wrong{{"--cores", ""},
              "--cores '': not a list of core numbers from 0 to 1023; try: --cores 0,1"},
        Wrong{{"--syn-cookies", "on"},
              "--syn-cookies 'on': not auto, always or never; try: --syn-cookies auto"},
        Wrong{{"--steering", "hw"},
              "--steering 'hw': not auto, rss or software; try: --steering auto"},
        Wrong{{"--connections", "0"},
              "--connections '0': not a whole number from 1 to 268435456; try: --connections "
              "1048576"},
        Wrong{{"--connections", "1e6"},
              "--connections '1e6': not a whole number from 1 to 268435456; try: --connections "
              "1048576"},
        Wrong{{"--wait", "soon"},
              "--wait 'soon': not a number of seconds from 0 to 31536000; try: --wait 10"},
        Wrong{{"--min-rto-ms", "0"},
              "--min-rto-ms '0': not a whole number from 1 to 60000; try: --min-rto-ms 200"},
        Wrong{{"--timestamps", "yes"}, "--timestamps 'yes': not on or off; try: --timestamps on"},
        Wrong{{"--initial-window", "0"},
              "--initial-window '0': not a whole number from 1 to 64; try: --initial-window 10"},
        Wrong{{"--delayed-ack-ms", "500"},
              "--delayed-ack-ms '500': not a whole number from 0 to 499; try: --delayed-ack-ms "
              "40"},
        Wrong{{"--eal", "  "}, "--eal '  ': has no words; try: --eal \"--log-level=8\""},
        Wrong{{"--seed", "-1"},
              "--seed '-1': not a whole number from 0 to 18446744073709551615; try: --seed 1"},
        Wrong{{"--seed", "18446744073709551616"},
              "--seed '18446744073709551616': not a whole number from 0 to 18446744073709551615; "
              "try: --seed 1"}));

INSTANTIATE_TEST_SUITE_P(
    Run, WrongShared,
    testing::Values(
        Wrong{{"--duration", "-1"},
              "--duration '-1': not a number of seconds from 0 to 31536000; try: --duration 10"},
        Wrong{{"--duration", "nan"},
              "--duration 'nan': not a number of seconds from 0 to 31536000; try: --duration 10"},
        Wrong{{"--duration", "10s"},
              "--duration '10s': not a number of seconds from 0 to 31536000; try: --duration 10"},
        Wrong{{"--stats-interval", "."},
              "--stats-interval '.': not a number of seconds from 0 to 31536000; try: "
              "--stats-interval 1"},
        Wrong{{"--log-level", "loud"},
              "--log-level 'loud': not error, warning, info or debug; try: --log-level warning"},
        Wrong{{"--json", "/nowhere/at/all.json"},
              "--json '/nowhere/at/all.json': cannot write in folder '/nowhere/at': No such file "
              "or directory; try: a file in a folder that exists and may be written"},
        Wrong{{"--device", "tap:p0", "--address", "10.0.1.2/24"},
              "--device 'tap:p0': given twice; try: each device once, with all its --address after "
              "it"},
        Wrong{{"--capture", "-"},
              "--capture '-': standard output is for people and for --json; try: a file"},
        Wrong{{"--json", "/tmp/same", "--capture", "/tmp/same"},
              "--capture '/tmp/same': the summary of --json goes there; try: another file"},
        Wrong{{"--capture", "/nowhere/x.pcapng"},
              "--capture '/nowhere/x.pcapng': cannot write in folder '/nowhere': No such file or "
              "directory; try: a file in a folder that exists and may be written"},
        Wrong{{"--json", "/tmp"},
              "--json '/tmp': it is a folder; try: a file in a folder that exists and may be "
              "written"},
        Wrong{{"--config", "/nowhere.toml"},
              "--config '/nowhere.toml': cannot read it: No such file or directory; try: the path "
              "of a TOML file"}));

INSTANTIATE_TEST_SUITE_P(
    Server, WrongShared,
    testing::Values(
        Wrong{{"--listen", "0"}, "--listen '0': not a port from 1 to 65535; try: --listen 80"},
        Wrong{{"--listen", "65536"},
              "--listen '65536': not a port from 1 to 65535; try: --listen 80"},
        Wrong{{"--listen", "80", "--listen", "80"},
              "--listen '80': given twice; try: each port once"},
        Wrong{{"--body", "x"},
              "--body 'x': not a whole number from 0 to 1073741824 and not @FILE; try: --body "
              "128"},
        Wrong{{"--body", "@/nowhere"},
              "--body '@/nowhere': cannot read it: No such file or directory; try: a file that "
              "can be read"},
        Wrong{{"--body", "@/tmp"},
              "--body '@/tmp': cannot read it: Is a directory; try: a file that can be read"},
        Wrong{{"--keep-alive", "yes"}, "--keep-alive 'yes': not on or off; try: --keep-alive on"}));

class WrongDevice : public testing::TestWithParam<Wrong> {};

TEST_P(WrongDevice, IsRefusedByHttpd) {
  const Parsed<HttpdOptions> parsed = httpd(GetParam().words);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.text, "error: " + GetParam().line);
}

Wrong address(const std::string& value, const std::string& why) {
  return {{"--device", "tap:p0", "--address", value},
          "--address '" + value + "': " + why + "; try: --address 10.0.0.2/24"};
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, WrongDevice,
    testing::Values(
        address("10.0.0.2", "has no prefix length"),
        address("10.0.0.2/33", "not an IPv4 address, or range of two, and a prefix length"),
        address("10.0.0.2/", "not an IPv4 address, or range of two, and a prefix length"),
        address("10.0.0/24", "not an IPv4 address, or range of two, and a prefix length"),
        address("10.0.0.256/24", "not an IPv4 address, or range of two, and a prefix length"),
        address("10.0.0.2-/24", "not an IPv4 address, or range of two, and a prefix length"),
        address("-10.0.0.2/24", "not an IPv4 address, or range of two, and a prefix length"),
        address("0.0.0.0/24", "0.0.0.0 is no host's address"),
        address("0.0.0.1/24", "0.0.0.0/8 holds no host's address"),
        address("127.0.0.1/8", "a loopback address never stands on a link"),
        address("224.0.0.1/4", "a multicast address is no host's address"),
        address("255.255.255.255/32", "the broadcast address is no host's address"),
        address("240.0.0.1/24", "240.0.0.0/4 is reserved"),
        address("10.0.0.0/24", "10.0.0.0 is the network's own address"),
        address("10.0.0.255/24", "10.0.0.255 is the network's broadcast address"),
        address("10.0.0.9-10.0.0.2/24", "the range ends before it begins"),
        address("10.0.0.2-10.0.1.2/24", "the range leaves its network"),
        address("10.0.0.2-10.0.0.255/24", "10.0.0.255 is the network's broadcast address"),
        address("10.0.0.2-224.0.0.1/0", "a multicast address is no host's address")));

INSTANTIATE_TEST_SUITE_P(
    Settings, WrongDevice,
    testing::Values(
        Wrong{{}, "--device: pollux-httpd needs one; try: --device tap:pollux0"},
        Wrong{{"--device", " "}, "--device ' ': names no device; try: --device tap:pollux0"},
        Wrong{{"--device", "tap:a"},
              "--device 'tap:a': has no --address; try: --address 10.0.0.2/24 after it"},
        Wrong{{"--address", "10.0.0.2/24", "--device", "tap:a", "--device", "tap:b"},
              "--address '10.0.0.2/24': stands before the first of several devices; try: the "
              "--device that it belongs to, then the option"},
        Wrong{
            {"--device", "tap:a", "--address", "10.0.0.2-10.0.0.9/24", "--address", "10.0.0.9/24"},
            "--address '10.0.0.9/24': overlaps with '10.0.0.2/24'; try: each address once"}));

INSTANTIATE_TEST_SUITE_P(
    Links, WrongShared,
    testing::Values(
        Wrong{{"--gateway", "10.0.0"},
              "--gateway '10.0.0': not an IPv4 address of four numbers "
              "from 0 to 255; try: --gateway 10.0.0.254"},
        Wrong{{"--gateway", "239.1.1.1"},
              "--gateway '239.1.1.1': a multicast address is no "
              "host's address; try: --gateway 10.0.0.254"},
        Wrong{{"--gateway", "10.0.1.1"},
              "--gateway '10.0.1.1': in no network of this device; "
              "try: a next hop that is on link"},
        Wrong{{"--gateway", "10.0.0.2"},
              "--gateway '10.0.0.2': is an address of this device "
              "itself; try: the neighbour's address"},
        Wrong{{"--gateway", "10.0.0.255"},
              "--gateway '10.0.0.255': is no host's address in that "
              "network; try: the neighbour's address"},
        Wrong{{"--route", "10.1.0.0/16"},
              "--route '10.1.0.0/16': not PREFIX=ADDRESS; try: "
              "--route 10.1.0.0/16=10.0.0.254"},
        Wrong{{"--route", "10.1.0.1/16=10.0.0.1"},
              "--route '10.1.0.1/16=10.0.0.1': its left side has bits set behind the prefix; try: "
              "10.1.0.0/16=10.0.0.1"},
        Wrong{{"--route", "10.1.0.0/16=0.0.0.0"},
              "--route '10.1.0.0/16=0.0.0.0': its next hop: 0.0.0.0 is no host's address; try: "
              "--route 10.1.0.0/16=10.0.0.254"},
        Wrong{{"--route", "10.1.0.0/16=10.0.0.1", "--route", "10.1.0.0/16=10.0.0.3"},
              "--route '10.1.0.0/16=10.0.0.1': a next hop for this prefix stands there already; "
              "try: one for each prefix"},
        Wrong{{"--mac", "02:00:00:00:00"},
              "--mac '02:00:00:00:00': not six pairs of hexadecimal "
              "digits with colons between; try: --mac "
              "02:00:00:00:00:01"},
        Wrong{{"--mac", "03:00:00:00:00:01"},
              "--mac '03:00:00:00:00:01': a group address (odd first octet) is no station's "
              "address; try: --mac 02:00:00:00:00:01"},
        Wrong{{"--mac", "00:00:00:00:00:00"},
              "--mac '00:00:00:00:00:00': all zeros is no "
              "station's address; try: --mac 02:00:00:00:00:01"},
        Wrong{{"--mtu", "87"}, "--mtu '87': not a whole number from 88 to 9216; try: --mtu 1500"},
        Wrong{{"--mtu", "9217"},
              "--mtu '9217': not a whole number from 88 to 9216; try: --mtu 1500"},
        Wrong{{"--mtu", "+1500"},
              "--mtu '+1500': not a whole number from 88 to 9216; try: --mtu 1500"},
        Wrong{{"--vlan", "0"}, "--vlan '0': not a whole number from 1 to 4094; try: --vlan 100"},
        Wrong{{"--vlan", "4095"},
              "--vlan '4095': not a whole number from 1 to 4094; try: --vlan 100"}));

class WrongLoad : public testing::TestWithParam<Wrong> {};

TEST_P(WrongLoad, IsRefusedByLoad) {
  std::vector<std::string> words = with_device({"--target", "10.0.0.1:80"});
  words.insert(words.end(), GetParam().words.begin(), GetParam().words.end());
  const Parsed<LoadOptions> parsed = load(words);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.text, "error: " + GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(
    Client, WrongLoad,
    testing::Values(
        Wrong{{"--target", "10.0.0.1"},
              "--target '10.0.0.1': has no port; try: --target 10.0.0.1:80"},
        Wrong{{"--target", "10.0.0.1:0"},
              "--target '10.0.0.1:0': not a port from 1 to 65535; try: --target 10.0.0.1:80"},
        Wrong{{"--target", "224.0.0.1:80"},
              "--target '224.0.0.1:80': a multicast address is no "
              "host's address; try: --target 10.0.0.1:80"},
        Wrong{{"--target", "10.0.0.255:80"},
              "--target '10.0.0.255:80': is no host's address in '10.0.0.2/24'; try: the address "
              "of what is to be loaded"},
        Wrong{{"--target", "10.0.0.0:80"},
              "--target '10.0.0.0:80': is no host's address in '10.0.0.2/24'; try: the address of "
              "what is to be loaded"},
        Wrong{{"--path", "*"},
              "--path '*': is for --method OPTIONS alone; try: --method OPTIONS, or --path /"},
        Wrong{{"--target", "localhost:80"},
              "--target 'localhost:80': not an IPv4 address of four numbers from 0 to 255; try: "
              "--target 10.0.0.1:80"},
        Wrong{{"--cps", "0"},
              "--cps '0': not a whole number from 1 to 1000000000 and not max; try: --cps max"},
        Wrong{{"--cps", "fast"},
              "--cps 'fast': not a whole number from 1 to 1000000000 and not max; try: --cps max"},
        Wrong{{"--concurrency", "0"},
              "--concurrency '0': not a whole number from 1 to 268435456; "
              "try: --concurrency 800"},
        Wrong{{"--concurrency", "200", "--connections", "100"},
              "--concurrency '200': more than the 100 that --connections leaves room for; try: a "
              "larger --connections"},
        Wrong{{"--requests", "0"},
              "--requests '0': not a whole number from 1 to 4294967295; try: --requests 1"},
        Wrong{{"--pipeline", "1025"},
              "--pipeline '1025': not a whole number from 1 to 1024; try: --pipeline 1"},
        Wrong{{"--path", "index.html"},
              "--path 'index.html': does not begin with /; try: --path /"},
        Wrong{{"--path", "/a b"},
              "--path '/a b': has a space or a control character; try: --path /"},
        Wrong{{"--method", "GE T"}, "--method 'GE T': not an HTTP method; try: --method GET"},
        Wrong{{"--header", "Accept"},
              "--header 'Accept': not 'Name: value'; try: --header 'Accept: */*'"},
        Wrong{{"--header", "A: b\r\nC: d"},
              "--header 'A: b\\x0d\\x0aC: d': has a control "
              "character in its value; try: --header 'Accept: */*'"},
        Wrong{{"--data", "text"}, "--data 'text': not @FILE; try: --data @body.bin"},
        Wrong{{"--close", "both"}, "--close 'both': not server or client; try: --close server"},
        Wrong{{"--close", "client", "--reset"},
              "--reset: together with --close; try: one of the two"},
        Wrong{{"--hold-interval", "5"}, "--hold-interval: without --hold; try: --hold with it"},
        Wrong{{"--hold", "--hold-interval", "0"},
              "--hold-interval '0': not a number of seconds from 0.001 to 31536000; try: "
              "--hold-interval 30"},
        Wrong{{"--fail-if", "p90"}, "--fail-if 'p90': has neither < nor >; try: 'p90>1ms'"},
        Wrong{{"--listen", "80"},
              "--listen: not an option of pollux-load; try: pollux-httpd or pollux-bench"},
        Wrong{{"--link", "ring"}, "--link: not an option of pollux-load; try: pollux-bench"}));

INSTANTIATE_TEST_SUITE_P(
    Profile, WrongLoad,
    testing::Values(
        Wrong{{"--profile", "x"},
              "--profile 'x': not rfc9411-cps, rfc9411-throughput, rfc9411-latency or "
              "rfc9411-concurrent; try: --profile rfc9411-cps"},
        Wrong{{"--object", "1"}, "--object: without --profile; try: --profile rfc9411-cps with it"},
        Wrong{{"--profile", "rfc9411-cps", "--search"},
              "--profile rfc9411-cps: together with --search; try: one of the two"},
        Wrong{{"--reset", "--profile", "rfc9411-cps"},
              "--profile rfc9411-cps: together with --reset; try: one of the two"},
        Wrong{{"--profile", "rfc9411-cps", "--duration", "0.5"},
              "--duration: a sustain phase has a second at least; try: --duration 300"},
        Wrong{{"--profile", "rfc9411-cps", "--throughput", "10G"},
              "--profile rfc9411-cps: together with --throughput; try: --cps for its target"},
        Wrong{{"--profile", "rfc9411-throughput", "--cps", "10"},
              "--profile rfc9411-throughput: together with --cps; try: --throughput for its "
              "target"},
        Wrong{{"--profile", "rfc9411-throughput", "--throughput", "10T"},
              "--throughput '10T': not a number of bits a second, with k, M or G behind it or "
              "without; try: --throughput 10G"},
        Wrong{{"--profile", "rfc9411-latency", "--cps", "10", "--throughput", "1M"},
              "--profile rfc9411-latency: together with both --cps and --throughput; try: one of "
              "the two"},
        Wrong{{"--profile", "rfc9411-concurrent"},
              "--profile rfc9411-concurrent: has no number of connections to reach; try: "
              "--concurrency 100000 with it"},
        Wrong{{"--profile", "rfc9411-concurrent", "--concurrency", "9", "--requests", "3"},
              "--profile rfc9411-concurrent: together with --requests; try: neither: it asks ten "
              "times"},
        Wrong{{"--profile", "rfc9411-concurrent", "--concurrency", "9000", "--cps", "100",
               "--duration", "59"},
              "--duration: the sustain phase is too short for its ramp-up: connections ask less "
              "than four times in it; try: --duration 61, or a shorter ramp-up"}));

INSTANTIATE_TEST_SUITE_P(
    Search, WrongLoad,
    testing::Values(
        Wrong{{"--search-from", "10"}, "--search-from: without --search; try: --search with it"},
        Wrong{{"--search-resolution", "1"},
              "--search-resolution: without --search; try: --search with it"},
        Wrong{{"--search", "--search-resolution", "0"},
              "--search-resolution '0': not a number from 0.01 to 50; try: --search-resolution 1"},
        Wrong{{"--search", "--search-from", "0"},
              "--search-from '0': not a whole number from 1 to 4294967295; try: --search-from "
              "1000"},
        Wrong{{"--search", "--hold"},
              "--search: together with --hold, which opens connections once; try: one of the two"},
        Wrong{{"--search", "--ramp", "5"},
              "--search: together with --ramp; try: --warmup, which each step has"},
        Wrong{{"--search", "--duration", "0"},
              "--duration '0': a step of --search has an end; try: --duration 10"},
        Wrong{{"--search", "--cps", "999"},
              "--cps '999': the search begins above it, at 1000; try: a lower --search-from"},
        Wrong{{"--search", "--fail-if", "cps<10"},
              "--fail-if 'cps<10': every low rate of --search fails so; try: --search-from"}));

INSTANTIATE_TEST_SUITE_P(
    SynOnly, WrongLoad,
    testing::Values(
        Wrong{{"--held", "0"},
              "--held '0': not a whole number from 1 to 268435456; try: --held 1000000"},
        Wrong{{"--held", "9", "--hold"}, "--held: together with --hold; try: one of the two"},
        Wrong{{"--rings", "1000"}, "--rings '1000': not a power of two; try: --rings 4096"},
        Wrong{{"--held", "9", "--search"}, "--held: together with --search; try: one of the two"},
        Wrong{{"--held", "9", "--syn-only", "--cps", "9"},
              "--held: together with --syn-only; try: one of the two"},
        Wrong{{"--held", "2000", "--connections", "1000"},
              "--held '2000': more than the 1000 that --connections leaves room for; try: a larger "
              "--connections"},
        Wrong{{"--beside", "200"}, "--beside: without --syn-only; try: --syn-only with it"},
        Wrong{{"--beside", "200", "--syn-only", "--search"},
              "--beside: together with --search; try: one of the two"},
        Wrong{{"--syn-only"},
              "--syn-only: without a rate there is no end of SYNs; try: --cps 1000000 with it"},
        Wrong{{"--syn-only", "--cps", "max"},
              "--syn-only: without a rate there is no end of SYNs; try: --cps 1000000 with it"},
        Wrong{{"--syn-only", "--cps", "9", "--hold"},
              "--syn-only: together with --hold: SYNs open no connection; try: one of the two"},
        Wrong{{"--syn-only", "--cps", "9", "--requests", "2"},
              "--syn-only: together with --requests: SYNs open no connection; try: one of the two"},
        Wrong{{"--syn-only", "--cps", "9", "--concurrency", "2"},
              "--syn-only: together with --concurrency: SYNs open no connection; try: one of the "
              "two"},
        Wrong{{"--syn-only", "--cps", "9", "--fast-open", "on"},
              "--syn-only: together with --fast-open: SYNs open no connection; try: one of the "
              "two"},
        Wrong{{"--syn-only", "--cps", "9", "--fail-if", "p90>1ms"},
              "--fail-if 'p90>1ms': SYNs alone are not timed; try: --fail-if 'failed>0', or no "
              "--syn-only"}));

TEST(WrongHttpd, MorePortsThanAStackListensOn) {
  std::vector<std::string> words = with_device({});
  for (int port = 1; port <= 64; ++port) {
    words.insert(words.end(), {"--listen", std::to_string(port)});
  }
  EXPECT_TRUE(httpd(words).options);
  words.insert(words.end(), {"--listen", "65"});
  EXPECT_EQ(httpd(words).exit_code, 2);
  EXPECT_EQ(httpd(words).text, "error: --listen '65': more than 64 ports; try: fewer of them");
}

TEST(WrongLoadAlone, WithoutATarget) {
  const Parsed<LoadOptions> parsed = load(device);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.text, "error: --target: pollux-load needs one; try: --target 10.0.0.1:80");
}

class WrongBench : public testing::TestWithParam<Wrong> {};

TEST_P(WrongBench, IsRefusedByBench) {
  const Parsed<BenchOptions> parsed = bench(GetParam().words);
  EXPECT_FALSE(parsed.options);
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_EQ(parsed.text, "error: " + GetParam().line);
}

INSTANTIATE_TEST_SUITE_P(
    Both, WrongBench,
    testing::Values(
        Wrong{{"--link", "wire"}, "--link 'wire': not ring, memif or virtio; try: --link ring"},
        Wrong{{"--scenario", "http"},
              "--scenario 'http': not cps, requests, hold or bulk; try: --scenario cps"},
        Wrong{{"--device", "tap:x"},
              "--device: not an option of pollux-bench; try: pollux-httpd or pollux-load"},
        Wrong{{"--target", "10.0.0.1:80"},
              "--target: not an option of pollux-bench; try: pollux-load"}));

}  // namespace
}  // namespace pollux::cli
