#include "cli/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "cli/arguments.h"
#include "cli/environment.h"
#include "cli/option_table.h"
#include "command.h"

namespace pollux::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using wire::Ipv4Address;

/// A file that is gone when the test is.
class File {
 public:
  explicit File(const std::string& content, const std::string& ending = ".toml")
      : path_(testing::TempDir() + "pollux-cli-" + std::to_string(::getpid()) + ending) {
    std::ofstream(path_) << content;
  }
  ~File() { std::remove(path_.c_str()); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(Options, DefaultsAreThoseOfTheContract) {
  const Parsed<HttpdOptions> parsed = httpd({"--device", "tap:p0", "--address", "10.0.0.1/24"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const SharedOptions& shared = parsed.options->shared;
  EXPECT_TRUE(shared.cores.empty());
  EXPECT_EQ(shared.steering, Steering::automatic);
  EXPECT_FALSE(shared.no_huge);
  EXPECT_EQ(shared.connections, 1'048'576u);
  EXPECT_EQ(shared.wait, 10s);
  EXPECT_EQ(shared.duration, 0s);
  EXPECT_EQ(shared.stats_interval, 1s);
  EXPECT_EQ(shared.tcp.min_rto, 200ms);
  EXPECT_TRUE(shared.tcp.timestamps);
  EXPECT_TRUE(shared.tcp.sack);
  EXPECT_EQ(shared.tcp.congestion, tcp::Congestion::cubic);
  EXPECT_EQ(shared.tcp.ecn, tcp::Ecn::accept);
  EXPECT_EQ(shared.tcp.pacing, tcp::Pacing::automatic);
  EXPECT_EQ(shared.segmentation, std::nullopt);
  EXPECT_FALSE(shared.merging);
  EXPECT_FALSE(shared.tcp.fast_open);
  EXPECT_EQ(shared.tcp.syn_cookies, tcp::SynCookieUse::automatic);
  EXPECT_EQ(shared.json, "");
  EXPECT_EQ(shared.human(), stdout);
  EXPECT_FALSE(shared.seed);
  EXPECT_THAT(parsed.options->server.listen, ElementsAre(80));
  EXPECT_EQ(parsed.options->server.body_bytes, 128u);
  EXPECT_FALSE(parsed.options->server.body_file);
  EXPECT_TRUE(parsed.options->server.keep_alive);
  EXPECT_EQ(parsed.options->server.head_timeout, 60s);
  EXPECT_EQ(parsed.options->server.idle_timeout, 300s);
}

TEST(Options, OfADeviceStandBehindIt) {
  const Parsed<HttpdOptions> parsed = httpd({"--device",  "tap:a",
                                             "--address", "10.0.0.1/24",
                                             "--address", "10.0.0.5-10.0.0.7/24",
                                             "--gateway", "10.0.0.254",
                                             "--mtu",     "9000",
                                             "--device",  "memif:/tmp/m,role=server",
                                             "--vlan",    "7",
                                             "--mac",     "02:00:00:00:00:09",
                                             "--address", "10.1.0.1/31",
                                             "--route",   "10.2.0.0/16=10.1.0.0"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const std::vector<DeviceOptions>& devices = parsed.options->shared.devices;
  ASSERT_EQ(devices.size(), 2u);
  const DeviceOptions& a = devices[0];
  EXPECT_EQ(a.spec, "tap:a");
  ASSERT_EQ(a.interface.addresses.size(), 2u);
  EXPECT_EQ(a.interface.addresses[0].count, 1u);
  EXPECT_EQ(a.interface.addresses[1].prefix.address, Ipv4Address(10, 0, 0, 5));
  EXPECT_EQ(a.interface.addresses[1].prefix.length, 24);
  EXPECT_EQ(a.interface.addresses[1].count, 3u);
  ASSERT_EQ(a.interface.routes.size(), 1u);
  EXPECT_EQ(a.interface.routes[0].destination.length, 0);
  EXPECT_EQ(a.interface.routes[0].next_hop, Ipv4Address(10, 0, 0, 254));
  EXPECT_EQ(a.mtu, 9000);
  EXPECT_FALSE(a.mac);
  EXPECT_FALSE(a.interface.vlan);
  const DeviceOptions& b = devices[1];
  EXPECT_EQ(b.spec, "memif:/tmp/m,role=server");
  EXPECT_EQ(b.interface.vlan, 7);
  EXPECT_EQ(b.mac, wire::MacAddress::parse("02:00:00:00:00:09"));
  EXPECT_FALSE(b.mtu);
  EXPECT_EQ(b.interface.routes[0].next_hop,
            Ipv4Address(10, 1, 0, 0));  // a /31 has no network address
}

TEST(Options, OfTheOnlyDeviceMayStandBeforeIt) {
  const Parsed<HttpdOptions> parsed = httpd({"--address", "10.0.0.1/24", "--mtu", "1400",
                                             "--device", "tap:a", "--address", "10.0.1.1/24"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  ASSERT_EQ(parsed.options->shared.devices.size(), 1u);
  const DeviceOptions& device = parsed.options->shared.devices[0];
  ASSERT_EQ(device.interface.addresses.size(), 2u);
  EXPECT_EQ(device.interface.addresses[0].prefix.address, Ipv4Address(10, 0, 0, 1));
  EXPECT_EQ(device.mtu, 1400);
}

TEST(Options, TheLastOneCounts) {
  const Parsed<BenchOptions> parsed =
      bench({"--scenario", "cps", "--duration", "10", "--scenario=hold", "--duration=2.5"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  EXPECT_EQ(parsed.options->scenario, Scenario::hold);
  EXPECT_EQ(parsed.options->shared.duration, 2500ms);
}

TEST(Options, EverythingOfTheMachine) {
  const Parsed<BenchOptions> parsed = bench({"--cores",
                                             "2,0-1",
                                             "--steering",
                                             "rss",
                                             "--no-huge",
                                             "--connections",
                                             "5000",
                                             "--wait",
                                             "0.5",
                                             "--eal",
                                             "  -a b  c",
                                             "--eal",
                                             "--log-level=8",
                                             "--min-rto-ms",
                                             "1000",
                                             "--timestamps",
                                             "off",
                                             "--sack",
                                             "off",
                                             "--ecn",
                                             "on",
                                             "--tso",
                                             "off",
                                             "--lro",
                                             "on",
                                             "--fast-open",
                                             "on",
                                             "--ttl",
                                             "3",
                                             "--dscp",
                                             "46",
                                             "--congestion",
                                             "reno",
                                             "--pacing",
                                             "off",
                                             "--path-probing",
                                             "off",
                                             "--syn-cookies",
                                             "never",
                                             "--initial-window",
                                             "4",
                                             "--delayed-ack-ms",
                                             "0",
                                             "--msl",
                                             "0.5",
                                             "--seed",
                                             "18446744073709551615",
                                             "--stats-interval",
                                             "0",
                                             "--json",
                                             "-",
                                             "--log-level",
                                             "debug",
                                             "--mtu",
                                             "9000"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const SharedOptions& shared = parsed.options->shared;
  EXPECT_THAT(shared.cores, ElementsAre(2, 0, 1));
  EXPECT_EQ(shared.steering, Steering::rss);
  EXPECT_TRUE(shared.no_huge);
  EXPECT_EQ(shared.connections, 5000u);
  EXPECT_EQ(shared.wait, 500ms);
  EXPECT_THAT(shared.eal, ElementsAre("-a", "b", "c", "--log-level=8"));
  EXPECT_EQ(shared.tcp.min_rto, 1s);
  EXPECT_FALSE(shared.tcp.timestamps);
  EXPECT_FALSE(shared.tcp.sack);
  EXPECT_EQ(shared.tcp.congestion, tcp::Congestion::reno);
  EXPECT_EQ(shared.tcp.ecn, tcp::Ecn::on);
  EXPECT_EQ(shared.tcp.pacing, tcp::Pacing::off);
  EXPECT_EQ(shared.segmentation, false);
  EXPECT_TRUE(shared.merging);
  EXPECT_TRUE(shared.tcp.fast_open);
  EXPECT_FALSE(shared.tcp.path_probing);
  EXPECT_EQ(shared.tcp.syn_cookies, tcp::SynCookieUse::never);
  EXPECT_EQ(shared.tcp.ttl, 3);
  EXPECT_EQ(shared.tcp.dscp, 46);
  EXPECT_EQ(shared.tcp.initial_window, 4);
  EXPECT_EQ(shared.tcp.delayed_ack, 0ms);
  EXPECT_EQ(shared.tcp.msl, 500ms);
  EXPECT_EQ(shared.seed, UINT64_MAX);
  EXPECT_EQ(shared.stats_interval, 0s);
  EXPECT_EQ(shared.human(), stderr);
  EXPECT_EQ(shared.log_level, LogLevel::debug);
  EXPECT_EQ(parsed.options->mtu, 9000);
  EXPECT_TRUE(shared.devices.empty());
}

TEST(Options, EverythingOfTheClient) {
  const File data("payload", ".data");
  const Parsed<LoadOptions> parsed =
      load({"--device",   "tap:p0",      "--address",     "10.0.0.2/24",
            "--target",   "10.0.0.1:80", "--target",      "10.0.0.9:8080",
            "--cps",      "120000",      "--concurrency", "5000",
            "--requests", "10",          "--pipeline",    "4",
            "--path",     "/x?y=z",      "--header",      "A: b",
            "--header",   "C:",          "--data",        "@" + data.path(),
            "--close",    "client",      "--ramp",        "2",
            "--warmup",   "0",           "--fail-if",     "p90>1ms",
            "--fail-if",  "failed>0"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const ClientOptions& client = parsed.options->client;
  ASSERT_EQ(client.targets.size(), 2u);
  EXPECT_EQ(client.targets[1], (application::Endpoint{Ipv4Address(10, 0, 0, 9), 8080}));
  EXPECT_EQ(client.cps, 120'000u);
  EXPECT_EQ(client.concurrency, 5000u);
  EXPECT_EQ(client.requests, 10u);
  EXPECT_EQ(client.pipeline, 4u);
  EXPECT_EQ(client.path, "/x?y=z");
  EXPECT_EQ(client.method, "POST");  // there is data to send
  EXPECT_THAT(client.headers, ElementsAre("A: b", "C:"));
  EXPECT_EQ(client.data, "payload");
  EXPECT_EQ(client.close, Close::client);
  EXPECT_EQ(client.ramp, 2s);
  EXPECT_EQ(client.warmup, 0s);
  ASSERT_EQ(client.fail_if.size(), 2u);
  EXPECT_EQ(parsed.options->shared.duration, 10s);  // a load ends by itself
}

TEST(Options, EverythingOfTheServer) {
  const File body("hello", ".body");
  const Parsed<BenchOptions> parsed = bench(
      {"--listen",     "8080", "--listen",       "81",     "--body",          "@" + body.path(),
       "--keep-alive", "off",  "--head-timeout", "2.5",    "--idle-timeout",  "9",
       "--orphans",    "77",   "--reset",        "--hold", "--hold-interval", "1.5",
       "--cps",        "7",    "--cps",          "max"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  EXPECT_THAT(parsed.options->server.listen, ElementsAre(8080, 81));
  EXPECT_EQ(parsed.options->server.body_file, "hello");
  EXPECT_FALSE(parsed.options->server.keep_alive);
  EXPECT_EQ(parsed.options->server.head_timeout, 2500ms);
  EXPECT_EQ(parsed.options->server.idle_timeout, 9s);
  EXPECT_EQ(parsed.options->shared.orphans, 77u);
  EXPECT_EQ(parsed.options->client.close, Close::reset);
  EXPECT_TRUE(parsed.options->client.hold);
  EXPECT_EQ(parsed.options->client.hold_interval, 1500ms);
  EXPECT_FALSE(parsed.options->client.cps);
}

TEST(Options, ConcurrencyBoundsARateWhereItWasAskedFor) {
  EXPECT_FALSE(bench({"--cps", "10"}).options->client.limited);
  EXPECT_TRUE(bench({"--cps", "10", "--concurrency", "800"}).options->client.limited);
}

TEST(Options, BothEndsMayBeTagged) {
  EXPECT_EQ(bench({"--vlan", "7"}).options->vlan, 7);
  EXPECT_FALSE(bench({}).options->vlan);
}

TEST(Options, AnAsteriskIsForOptions) {
  EXPECT_EQ(bench({"--method", "OPTIONS", "--path", "*"}).options->client.path, "*");
}

TEST(Options, ScenariosFillInWhatWasNotSaid) {
  EXPECT_EQ(bench({}).options->client.requests, 1u);
  EXPECT_EQ(bench({"--scenario", "requests"}).options->client.requests, 1000u);
  EXPECT_EQ(bench({"--scenario", "requests", "--requests", "5"}).options->client.requests, 5u);
  EXPECT_TRUE(bench({"--scenario", "hold"}).options->client.hold);
  EXPECT_EQ(bench({"--scenario", "hold", "--hold-interval", "3600"}).options->server.idle_timeout,
            7200s);
  EXPECT_EQ(bench({"--scenario", "bulk"}).options->client.path, "/bytes/1048576");
  EXPECT_EQ(bench({"--scenario", "bulk", "--path", "/x"}).options->client.path, "/x");
}

TEST(Options, RoomFollowsConcurrencyUnlessBounded) {
  const Parsed<BenchOptions> parsed = bench({"--scenario", "hold", "--concurrency", "4000000"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  EXPECT_EQ(parsed.options->shared.connections, 4'000'000u);
  // Two of four cores are clients: twice as many find room.
  EXPECT_TRUE(bench({"--cores", "0-3", "--connections", "100", "--concurrency", "200"}).options);
  EXPECT_FALSE(bench({"--cores", "0-3", "--connections", "100", "--concurrency", "201"}).options);
}

TEST(Options, RoomIsLeftForWhatIsHeldBesideTheLoad) {
  const Parsed<BenchOptions> parsed = bench({"--held", "10000000"});
  ASSERT_TRUE(parsed.options) << parsed.text;
  EXPECT_EQ(parsed.options->client.held, 10'000'000u);
  EXPECT_EQ(parsed.options->client.concurrency, 800u);
  EXPECT_GE(parsed.options->shared.connections, 10'000'800u);
  EXPECT_EQ(parsed.options->server.idle_timeout, 0s) << "which is silent";
  EXPECT_EQ(bench({"--held", "9", "--idle-timeout", "5"}).options->server.idle_timeout, 5s);
  EXPECT_FALSE(bench({"--connections", "1000", "--held", "201"}).options);
  EXPECT_TRUE(bench({"--connections", "1000", "--held", "200"}).options);
}

TEST(Help, OfEveryProgramNamesItsOptionsAndExamples) {
  for (const auto& [text, code] :
       {std::pair{httpd({"--help"}).text, httpd({"--help"}).exit_code},
        std::pair{load({"-h"}).text, load({"-h"}).exit_code},
        std::pair{bench({"--nonsense", "--help"}).text, bench({"--help"}).exit_code}}) {
    EXPECT_EQ(code, 0);
    EXPECT_THAT(text, HasSubstr("Examples:"));
    EXPECT_THAT(text, HasSubstr("--cores LIST"));
    EXPECT_THAT(text, HasSubstr("--version"));
  }
  EXPECT_THAT(load({"--help"}).text, HasSubstr("rfc9411-concurrent"));
  EXPECT_THAT(httpd({"--help"}).text, Not(HasSubstr("--target")));
}

TEST(Help, EveryExampleOfTheTableIsRight) {
  for (const OptionRow& row : option_table()) {
    // These need a file, or words that a shell takes the quotes off.
    if (row.example.empty() || row.example.find_first_of("@'\"") != std::string_view::npos)
      continue;
    Draft draft;
    EXPECT_TRUE(row.take(draft, std::string{row.example}).ok()) << row.text.name;
  }
}

TEST(Version, IsOneLineWithTheProgramsName) {
  EXPECT_EQ(httpd({"--version"}).text, "pollux-httpd " + std::string{version()});
  EXPECT_EQ(load({"--version"}).exit_code, 0);
  EXPECT_EQ(bench({"--version"}).text, "pollux-bench " + std::string{version()});
}

TEST(Config, GivesTheSameOptions) {
  const File file(
      "# a comment\n"
      "device = \"tap:a\"\n"
      "address = [\"10.0.0.1/24\", \"10.0.0.5-10.0.0.7/24\"]\n"
      "no-huge = true\n"
      "duration = 2.5\n"
      "listen = [80, 8080]\n");
  const Parsed<HttpdOptions> parsed = httpd({"--config", file.path()});
  ASSERT_TRUE(parsed.options) << parsed.text;
  ASSERT_EQ(parsed.options->shared.devices.size(), 1u);
  EXPECT_EQ(parsed.options->shared.devices[0].spec, "tap:a");
  EXPECT_EQ(parsed.options->shared.devices[0].interface.addresses.size(), 2u);
  EXPECT_TRUE(parsed.options->shared.no_huge);
  EXPECT_EQ(parsed.options->shared.duration, 2500ms);
  EXPECT_THAT(parsed.options->server.listen, ElementsAre(80, 8080));
}

TEST(Config, TheCommandLineWins) {
  const File file(
      "device = \"tap:a\"\naddress = \"10.0.0.1/24\"\nmtu = 1400\nduration = 2\n"
      "listen = [80, 8080]\n");
  // A device of its own takes the place of the file's, settings included; a list takes its place
  // whole; where --config stands does not matter.
  const Parsed<HttpdOptions> own =
      httpd({"--device", "tap:b", "--address", "10.9.0.1/24", "--listen", "81", "--duration", "3",
             "--config", file.path()});
  ASSERT_TRUE(own.options) << own.text;
  ASSERT_EQ(own.options->shared.devices.size(), 1u);
  EXPECT_EQ(own.options->shared.devices[0].spec, "tap:b");
  EXPECT_EQ(own.options->shared.devices[0].interface.addresses.size(), 1u);
  EXPECT_FALSE(own.options->shared.devices[0].mtu);
  EXPECT_EQ(own.options->shared.duration, 3s);
  EXPECT_THAT(own.options->server.listen, ElementsAre(81));

  const Parsed<HttpdOptions> setting = httpd({"--config", file.path(), "--address", "10.9.0.1/24"});
  ASSERT_TRUE(setting.options) << setting.text;
  const DeviceOptions& device = setting.options->shared.devices[0];
  EXPECT_EQ(device.spec, "tap:a");
  ASSERT_EQ(device.interface.addresses.size(), 1u);
  EXPECT_EQ(device.interface.addresses[0].prefix.address, Ipv4Address(10, 9, 0, 1));
  EXPECT_EQ(device.mtu, 1400);
}

TEST(Config, IsToml) {
  const File file(
      "listen = [80 , 8080,\n  81]  # three of them\n"
      "body = 0x10\n"
      "path = \"/a#b\"\n"
      "'header' = ['A: \"b\"', \"C: \\u0064\"]\n"
      "hold-interval = 0.5\nhold = true\nno-huge = false\n");
  const Parsed<BenchOptions> parsed = bench({"--config", file.path()});
  ASSERT_TRUE(parsed.options) << parsed.text;
  EXPECT_THAT(parsed.options->server.listen, ElementsAre(80, 8080, 81));
  EXPECT_EQ(parsed.options->server.body_bytes, 16u);
  EXPECT_EQ(parsed.options->client.path, "/a#b");
  EXPECT_THAT(parsed.options->client.headers, ElementsAre("A: \"b\"", "C: d"));
  EXPECT_EQ(parsed.options->client.hold_interval, 500ms);
  EXPECT_FALSE(parsed.options->shared.no_huge);
}

TEST(Config, NamesTheLineThatIsNoToml) {
  const File file("duration = 1\nlisten = [80, 8080\n");
  const Parsed<BenchOptions> parsed = bench({"--config", file.path()});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.text, HasSubstr("': line 2: "));
  EXPECT_THAT(parsed.text, testing::EndsWith("; try: a TOML file of lines 'option = value'"));
  const File twice("duration = 1\nduration = 2\n");
  EXPECT_THAT(bench({"--config", twice.path()}).text, HasSubstr("': line 2: "));
}

TEST(Config, HasATableForEachOfSeveralDevices) {
  const File file(
      "duration = 2\n"
      "[[device]]\naddress = \"10.0.0.1/24\"\nspec = \"tap:a\"\n"
      "[[device]]\nspec = \"tap:b\"\naddress = [\"10.1.0.1/24\", \"10.1.0.3/24\"]\nvlan = 7\n");
  const Parsed<HttpdOptions> parsed = httpd({"--config", file.path()});
  ASSERT_TRUE(parsed.options) << parsed.text;
  const auto& devices = parsed.options->shared.devices;
  ASSERT_EQ(devices.size(), 2u);
  EXPECT_EQ(devices[0].spec, "tap:a");
  EXPECT_EQ(devices[0].interface.addresses.size(), 1u);
  EXPECT_FALSE(devices[0].interface.vlan);
  EXPECT_EQ(devices[1].spec, "tap:b");
  EXPECT_EQ(devices[1].interface.addresses.size(), 2u);
  EXPECT_EQ(devices[1].interface.vlan, 7);
  const File wrong("[[device]]\nspec = \"tap:a\"\nduration = 2\n");
  EXPECT_THAT(httpd({"--config", wrong.path()}).text,
              testing::StartsWith("error: 'device.duration' in "));
  const File none("[[device]]\naddress = \"10.0.0.1/24\"\n");
  EXPECT_THAT(httpd({"--config", none.path()}).text, HasSubstr("has no spec"));
}

TEST(Config, GivesWayToTheOtherWayToEnd) {
  const File reset("reset = true\n");
  EXPECT_EQ(bench({"--config", reset.path(), "--close", "client"}).options->client.close,
            Close::client);
  const File closes("close = \"client\"\n");
  EXPECT_EQ(bench({"--config", closes.path(), "--reset"}).options->client.close, Close::reset);
  const File both("close = \"client\"\nreset = true\n");
  EXPECT_EQ(bench({"--config", both.path()}).exit_code, 2);
}

/// With what pollux-load cannot do without.
ClientOptions profile(std::vector<std::string> words) {
  words.insert(words.begin(), {"--device", "tap:a", "--address", "10.0.0.2/24", "--target",
                               "10.0.0.1:80", "--profile"});
  const auto parsed = load(std::move(words));
  EXPECT_TRUE(parsed.options) << parsed.text;
  return parsed.options ? parsed.options->client : ClientOptions{};
}

TEST(Profile, HasThePhasesThatTheRfcRecommends) {
  const auto client = profile({"rfc9411-cps"});
  ASSERT_TRUE(client.profile);
  EXPECT_EQ(client.profile->kind, Profile::cps);
  EXPECT_EQ(client.profile->init, 5s);
  EXPECT_EQ(client.profile->ramp_up, 30s);
  EXPECT_EQ(client.profile->sustain, 300s);
  EXPECT_EQ(client.profile->ramp_down, 30s);
  EXPECT_EQ(client.profile->iteration, 30s);
  EXPECT_EQ(client.objective.from, 1'000u);
  EXPECT_FALSE(client.objective.target);
  EXPECT_EQ(client.close, Close::client);
  EXPECT_EQ(client.requests, 1u);
  EXPECT_FALSE(client.hold);
}

TEST(Profile, TakesItsPhasesAndItsTargetFromTheOptions) {
  const auto client = profile({"rfc9411-cps", "--cps", "20000", "--duration", "10", "--ramp", "2",
                               "--init", "0.5", "--object", "1024", "--close", "server"});
  EXPECT_EQ(client.profile->init, 500ms);
  EXPECT_EQ(client.profile->ramp_up, 2s);
  EXPECT_EQ(client.profile->ramp_down, 2s) << "as long as the ramp-up";
  EXPECT_EQ(client.profile->sustain, 10s);
  EXPECT_EQ(client.profile->iteration, 10s) << "no longer than what counts";
  EXPECT_EQ(client.profile->object, 1'024u);
  EXPECT_EQ(client.objective.target, 20'000u);
  EXPECT_EQ(client.close, Close::server);
  EXPECT_EQ(profile({"rfc9411-cps", "--ramp-down", "1"}).profile->ramp_down, 1s);
}

TEST(Profile, ThroughputHasTenTransactionsAConnection) {
  const auto client = profile({"rfc9411-throughput", "--throughput", "2.5G"});
  EXPECT_EQ(client.requests, 10u);
  EXPECT_EQ(client.profile->throughput, 2.5e9);
  EXPECT_EQ(profile({"rfc9411-throughput", "--throughput", "64000"}).profile->throughput, 64e3);
  EXPECT_EQ(profile({"rfc9411-throughput", "--throughput", "3M"}).profile->throughput, 3e6);
  EXPECT_EQ(profile({"rfc9411-latency", "--requests", "10"}).requests, 10u);
}

TEST(Profile, ConcurrentConnectionsAreHeld) {
  const auto client = profile({"rfc9411-concurrent", "--concurrency", "90000"});
  EXPECT_TRUE(client.hold);
  EXPECT_EQ(client.objective.target, 90'000u);
  EXPECT_EQ(client.profile->ramp_up, Duration{300s} / 9)
      << "as long as the time between two requests";
  EXPECT_EQ(
      profile({"rfc9411-concurrent", "--concurrency", "90000", "--cps", "3000"}).profile->ramp_up,
      30s);
  EXPECT_EQ(
      profile({"rfc9411-concurrent", "--concurrency", "90000", "--ramp", "7"}).profile->ramp_up,
      7s);
}

TEST(Search, HasDefaultsABoundAndItsOwnOptions) {
  EXPECT_FALSE(bench({"--cps", "9"}).options->client.search);
  const auto plain = bench({"--search"}).options->client.search;
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->from, 1'000u);
  EXPECT_FALSE(plain->most);
  EXPECT_DOUBLE_EQ(plain->resolution, 0.01);
  const auto more =
      bench({"--search-from", "20", "--search-resolution", "2.5", "--cps", "500", "--search"})
          .options->client.search;
  ASSERT_TRUE(more);
  EXPECT_EQ(more->from, 20u);
  EXPECT_EQ(more->most, 500u);
  EXPECT_DOUBLE_EQ(more->resolution, 0.025);
  EXPECT_TRUE(bench({"--search", "--syn-only"}).options->client.syn_only);
}

TEST(SynOnly, NeedsARate) {
  EXPECT_TRUE(bench({"--syn-only", "--cps", "9"}).options->client.syn_only);
}

TEST(SynOnly, MayHaveWholeConnectionsBesideIt) {
  EXPECT_EQ(bench({"--syn-only", "--cps", "9", "--beside", "200"}).options->client.beside, 200u);
}

struct WrongFile {
  std::string content;
  std::string before;  // the error line up to the file's name
  std::string behind;
};

class WrongConfig : public testing::TestWithParam<WrongFile> {};

TEST_P(WrongConfig, IsRefusedWithItsName) {
  const File file(GetParam().content);
  const Parsed<BenchOptions> parsed = bench({"--config", file.path()});
  EXPECT_EQ(parsed.exit_code, 2);
  EXPECT_THAT(parsed.text, testing::StartsWith("error: " + GetParam().before + " in '/"));
  EXPECT_THAT(parsed.text, testing::EndsWith(GetParam().behind));
}

INSTANTIATE_TEST_SUITE_P(
    Files, WrongConfig,
    testing::Values(
        WrongFile{"duration = \"soon\"\n", "--duration 'soon'",
                  "': not a number of seconds from 0 to 31536000; try: --duration 10"},
        WrongFile{"duratoin = 1\n", "'duratoin'",
                  "': not an option that a file can set; try: duration"},
        WrongFile{"[run]\nduration = 1\n", "'run.duration'",
                  "': not an option that a file can set; try: duration"},
        WrongFile{"config = \"other.toml\"\n", "'config'",
                  "': not an option that a file can set; try: an option of --help, without its "
                  "dashes"},
        WrongFile{"no-huge = \"perhaps\"\n", "'no-huge = perhaps'",
                  "': neither true nor false; try: no-huge = true"},
        WrongFile{"listen = [[80], [81]]\n", "'listen'",
                  "': neither text, a number, true nor false, nor a list of these; try: listen = "
                  "\"...\""},
        WrongFile{"duration = 1979-05-27\n", "'duration'",
                  "': neither text, a number, true nor false, nor a list of these; try: duration = "
                  "\"...\""},
        WrongFile{"profile = \"x\"\n", "--profile 'x'",
                  "': not rfc9411-cps, rfc9411-throughput, rfc9411-latency or "
                  "rfc9411-concurrent; try: --profile rfc9411-cps"}));

TEST(Config, WithSeveralDevicesTakesNoLooseSetting) {
  const File file("device = [\"tap:a\", \"tap:b\"]\naddress = \"10.0.0.1/24\"\n");
  const Parsed<HttpdOptions> parsed = httpd({"--config", file.path(), "--mtu", "1400"});
  EXPECT_EQ(parsed.text,
            "error: --mtu '1400': the file has several devices, and it belongs to none of them; "
            "try: --device before it, or the file");
}

}  // namespace
}  // namespace pollux::cli
