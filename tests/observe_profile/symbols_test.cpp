#include "observe/profile/symbols.h"

#include <gtest/gtest.h>

#include <cstring>

namespace tidegate::profile {
namespace {

TEST(PlainName, LeavesOutWhatIsNoName) {
    EXPECT_EQ(plain_name("main"), "main");
    EXPECT_EQ(plain_name("_ZN8tidegate4http6Server3runEv"), "tidegate::http::Server::run");
    EXPECT_EQ(plain_name("_ZNKSt6vectorIiSaIiEE4sizeEv"), "std::vector::size");
    EXPECT_EQ(plain_name("_Z3maxIiET_S0_S0_"), "max");  // int max<int>(int, int)
    EXPECT_EQ(plain_name("_ZN12_GLOBAL__N_13runEi"), "(anonymous namespace)::run");
    EXPECT_EQ(plain_name("_ZN1a12_GLOBAL__N_13runIiEEvT_"),
              "a::(anonymous namespace)::run");  // void a::...run<int>(int)
    EXPECT_EQ(plain_name("_ZNK1aclEi"), "a::operator()");
    EXPECT_EQ(plain_name("_ZlsRSoi"), "operator<<");
    EXPECT_EQ(plain_name("_ZN1aptEv"), "a::operator->");
    EXPECT_EQ(plain_name("_Znwm"), "operator new");
    EXPECT_EQ(plain_name("_ZZ3foovENKUliE_clEi"), "foo::{lambda#1}::operator()");
}

TEST(PlainName, KeepsWhatCannotBeDemangled) {
    EXPECT_EQ(plain_name("_Znonsense"), "_Znonsense");
    EXPECT_EQ(plain_name(""), "");
}

TEST(Maps, ALineIsReadWithAPathThatHoldsSpaces) {
    const auto maps = parse_maps(
        "55d0c0000000-55d0c0010000 r-xp 00001000 08:01 1234   /opt/a b/c\n"
        "broken line\n"
        "7f0000000000-7f0000001000 rw-p 00000000 00:00 0\n"
        "7ffc0000000-7ffc0001000 rw-p 00000000 00:00 0   [stack]\n");
    ASSERT_EQ(maps.size(), 3);
    EXPECT_EQ(maps[0].begin, 0x55d0c0000000U);
    EXPECT_EQ(maps[0].offset, 0x1000U);
    EXPECT_TRUE(maps[0].executable);
    EXPECT_EQ(maps[0].file, "/opt/a b/c");
    EXPECT_FALSE(maps[1].executable);
    EXPECT_EQ(maps[1].file, "");
    EXPECT_EQ(maps[2].file, "[stack]");
}

TEST(Maps, FindKnowsTheEdges) {
    const std::vector<Mapping> maps{{.begin = 100, .end = 200}, {.begin = 300, .end = 400}};
    EXPECT_EQ(find_mapping(maps, 99), nullptr);
    EXPECT_EQ(find_mapping(maps, 100), &maps[0]);
    EXPECT_EQ(find_mapping(maps, 199), &maps[0]);
    EXPECT_EQ(find_mapping(maps, 200), nullptr);
    EXPECT_EQ(find_mapping(maps, 350), &maps[1]);
    EXPECT_EQ(find_mapping(maps, 400), nullptr);
}

[[gnu::noinline]] int a_function_of_this_test(int value) {
    return value * 3 + 1;
}

TEST(Symbols, AFunctionOfThisProgramAndOneOfALibraryAreNamed) {
    const SystemDisk disk;
    Symbols symbols(disk);
    if (symbols.maps().empty()) GTEST_SKIP() << "no /proc/self/maps here";
    int (*own)(int) = &a_function_of_this_test;
    const auto address = reinterpret_cast<std::uintptr_t>(own);
    EXPECT_EQ(symbols.find(address + 1).name, "tidegate::profile::(anonymous namespace)::a_function_of_this_test");
    EXPECT_NE(symbols.build_id(symbols.find(address).mapping).size(), 0U);
    EXPECT_EQ(own(2), 7);
}

TEST(Symbols, AnAddressOfNobodyIsShownAsItIs) {
    const SystemDisk disk;
    Symbols symbols(disk);
    EXPECT_EQ(symbols.find(0x10).name, "[0x10]");
    EXPECT_EQ(symbols.find(0x10).mapping, Symbols::kNoMapping);
    EXPECT_TRUE(symbols.find(0x10).mangled.empty());
}

/// Serves one text for every path.
class OneFile final : public Disk {
  public:
    explicit OneFile(std::string bytes) : bytes_(std::move(bytes)) {}
    Result<std::string> read(const std::string&, std::uint64_t) const override { return bytes_; }
    Result<void> write_atomic(const std::string&, std::string_view) override { return {}; }
    Result<void> make_directories(const std::string&) override { return {}; }
    bool exists(const std::string&) const override { return true; }

  private:
    std::string bytes_;
};

TEST(ElfSymbols, ABrokenFileHasFewerSymbolsAndNothingWorse) {
    EXPECT_EQ(ElfSymbols::read(OneFile(""), "x").size(), 0U);
    EXPECT_EQ(
        ElfSymbols::read(OneFile("not an ELF file at all, but longer than its head would be........."), "x").size(),
        0U);
    auto own = SystemDisk().read("/proc/self/exe", 1ULL << 30U);
    if (!own) GTEST_SKIP() << "no /proc/self/exe here";
    const std::size_t whole = ElfSymbols::read(OneFile(*own), "x").size();
    EXPECT_GT(whole, 100U);
    // Cut anywhere, and with bytes of its head and section table turned over: under the sanitizers, a read outside ends the test.
    for (const std::size_t size : {64UL, 100UL, own->size() / 2, own->size() - 64, own->size() - 1}) {
        EXPECT_LE(ElfSymbols::read(OneFile(own->substr(0, size)), "x").size(), whole);
    }
    std::uint64_t sections = 0;
    std::memcpy(&sections, own->data() + 40, sizeof sections);
    ASSERT_LT(sections, own->size());
    for (std::size_t i = 0; i < 64; ++i) {
        std::string turned = *own;
        turned[i] = static_cast<char>(~turned[i]);
        const std::size_t at = sections + (i * 37) % (own->size() - sections);
        turned[at] = static_cast<char>(~turned[at]);
        static_cast<void>(ElfSymbols::read(OneFile(turned), "x").at_offset(4096));
    }
}

}  // namespace
}  // namespace tidegate::profile
