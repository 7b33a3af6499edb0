#include "wire/address.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace pollux::wire {
namespace {

TEST(Ipv4Address, ReadsFourNumbers) {
  EXPECT_EQ(Ipv4Address::parse("192.0.2.1"), Ipv4Address(192, 0, 2, 1));
  EXPECT_EQ(Ipv4Address::parse("0.0.0.0"), Ipv4Address{});
  EXPECT_EQ(Ipv4Address::parse("255.255.255.255"), Ipv4Address{0xFFFF'FFFF});
}

TEST(Ipv4Address, RefusesEverythingElse) {
  for (const char* text : {"",
                           ".",
                           "1",
                           "1.2.3",
                           "1.2.3.",
                           "1.2.3.4.",
                           "1.2.3.4.5",
                           ".1.2.3.4",
                           "1..2.3",
                           "256.0.0.1",
                           "1.2.3.256",
                           "1.2.3.4294967297",
                           "010.0.0.1",
                           "1.2.3.00",
                           "1.2.3.04",
                           " 1.2.3.4",
                           "1.2.3.4 ",
                           "1. 2.3.4",
                           "-1.2.3.4",
                           "+1.2.3.4",
                           "0x1.2.3.4",
                           "a.b.c.d",
                           "1.2.3.4/24",
                           "1,2,3,4",
                           "99999999999999999999.1.1.1"}) {
    EXPECT_FALSE(Ipv4Address::parse(text)) << '"' << text << '"';
  }
  EXPECT_FALSE(Ipv4Address::parse(std::string_view("1.2.3.4\0", 8)));
}

TEST(Ipv4Address, IsReadBackFromItsText) {
  Prng prng{1};
  for (int i = 0; i < 10'000; ++i) {
    const Ipv4Address address{prng.next32()};
    EXPECT_EQ(Ipv4Address::parse(address.to_string()), address);
  }
  EXPECT_EQ(Ipv4Address(10, 0, 200, 3).to_string(), "10.0.200.3");
}

TEST(Ipv4Address, KnowsItsKind) {
  EXPECT_TRUE(Ipv4Address(224, 0, 0, 1).is_multicast());
  EXPECT_TRUE(Ipv4Address(239, 255, 255, 255).is_multicast());
  EXPECT_FALSE(Ipv4Address(223, 255, 255, 255).is_multicast());
  EXPECT_FALSE(Ipv4Address(240, 0, 0, 0).is_multicast());
  EXPECT_TRUE(Ipv4Address(240, 0, 0, 0).is_reserved());
  EXPECT_TRUE(Ipv4Address(255, 255, 255, 255).is_limited_broadcast());
  EXPECT_TRUE(Ipv4Address(127, 1, 2, 3).is_loopback());
  EXPECT_TRUE(Ipv4Address(0, 1, 2, 3).is_this_network());
}

TEST(Ipv4Prefix, ReadsAddressAndLength) {
  const auto prefix = Ipv4Prefix::parse("10.1.2.3/24");
  ASSERT_TRUE(prefix);
  EXPECT_EQ(prefix->address, Ipv4Address(10, 1, 2, 3));
  EXPECT_EQ(prefix->length, 24);
  EXPECT_EQ(prefix->network(), Ipv4Address(10, 1, 2, 0));
  EXPECT_EQ(prefix->broadcast(), Ipv4Address(10, 1, 2, 255));
  EXPECT_EQ(prefix->to_string(), "10.1.2.3/24");
  EXPECT_EQ(Ipv4Prefix::parse("0.0.0.0/0")->mask(), 0u);
  EXPECT_EQ(Ipv4Prefix::parse("1.2.3.4/32")->mask(), 0xFFFF'FFFFu);
  EXPECT_FALSE(Ipv4Prefix::parse("1.2.3.4/31")->broadcast());
}

TEST(Ipv4Prefix, RefusesEverythingElse) {
  for (const char* text : {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/08", "10.0.0.0/-1",
                           "10.0.0.0/8 ", "10.0.0.0 /8", "10.0.0/8", "/8", "10.0.0.0//8",
                           "10.0.0.0/255.0.0.0", "10.0.0.0/256", "10.0.0.0/4294967304"}) {
    EXPECT_FALSE(Ipv4Prefix::parse(text)) << '"' << text << '"';
  }
}

TEST(Ipv4Prefix, ContainsItsOwnNetworkOnly) {
  const Ipv4Prefix prefix{Ipv4Address(10, 1, 2, 3), 23};
  EXPECT_TRUE(prefix.contains(Ipv4Address(10, 1, 2, 0)));
  EXPECT_TRUE(prefix.contains(Ipv4Address(10, 1, 3, 255)));
  EXPECT_FALSE(prefix.contains(Ipv4Address(10, 1, 4, 0)));
  EXPECT_FALSE(prefix.contains(Ipv4Address(10, 1, 1, 255)));
  EXPECT_TRUE((Ipv4Prefix{Ipv4Address{}, 0}.contains(Ipv4Address(8, 8, 8, 8))));
}

TEST(MacAddress, ReadsSixPairs) {
  const MacAddress expected{{0x02, 0x00, 0x5E, 0xAB, 0xCD, 0xEF}};
  EXPECT_EQ(MacAddress::parse("02:00:5e:ab:cd:ef"), expected);
  EXPECT_EQ(MacAddress::parse("02:00:5E:AB:CD:EF"), expected);
  EXPECT_EQ(expected.to_string(), "02:00:5e:ab:cd:ef");
  EXPECT_EQ(MacAddress::parse("ff:ff:ff:ff:ff:ff"), MacAddress::broadcast());
}

TEST(MacAddress, RefusesEverythingElse) {
  for (const char* text :
       {"", "02:00:5e:ab:cd", "02:00:5e:ab:cd:", "02:00:5e:ab:cd:e",
        "02:00:5e:ab:cd:ef:", "02:00:5e:ab:cd:ef:00", "02-00-5e-ab-cd-ef", "0200.5eab.cdef",
        "02005eabcdef", " 02:00:5e:ab:cd:ef", "02:00:5e:ab:cd:ef ", "2:0:5e:ab:cd:ef",
        "0g:00:5e:ab:cd:ef", "02:00:5e:ab:cd:0x", "02::00:5e:ab:cd"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << '"' << text << '"';
  }
}

TEST(MacAddress, KnowsItsKind) {
  EXPECT_TRUE(MacAddress::broadcast().is_group());
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_group());
  EXPECT_FALSE(MacAddress::parse("02:00:00:00:00:01")->is_group());
  EXPECT_TRUE(MacAddress{}.is_zero());
  EXPECT_FALSE(MacAddress::broadcast().is_zero());
}

}  // namespace
}  // namespace pollux::wire
