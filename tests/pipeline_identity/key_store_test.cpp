// Keys over their whole life: made, used, rotated, revoked, here and by another process; and that no secret stays anywhere.
#include "pipeline/identity/key_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "pipeline_identity/fixture.h"
#include "store/sqlite.h"

namespace tidegate::pipeline {
namespace {

using namespace std::chrono_literals;

class KeyStoreTest : public ::testing::Test {
  protected:
    void SetUp() override { keys = open(); }
    std::unique_ptr<KeyStore> open() {
        auto opened = KeyStore::open({.path = path()}, clock, random, counters);
        EXPECT_TRUE(opened) << opened.error().message;
        return *std::move(opened);
    }
    std::string path() const { return folder.file("tidegate.db"); }
    NewKey make(KeySpec spec = {.name = "a key", .scopes = {"provenance"}}) {
        auto made = keys->create(spec);
        EXPECT_TRUE(made) << made.error().message;
        return *std::move(made);
    }
    static KeyIndex::Found look(const KeyStore& store, const std::string& text, UnixMillis now) {
        const auto key = parse_key(text);
        EXPECT_TRUE(key);
        return store.index()->find(*key, now);
    }
    Refusal refusal(const std::string& text) const { return look(*keys, text, clock.unix_ms()).refusal; }
    CallerPtr caller(const std::string& text) const { return look(*keys, text, clock.unix_ms()).caller; }

    store::TemporaryFolder folder;
    ManualClock clock;
    SystemRandom random;
    IdentityCounters counters;
    std::unique_ptr<KeyStore> keys;
};

TEST_F(KeyStoreTest, OpeningItTakesNoLockFromWhoeverHasTheDatabaseOpenInThisProcess) {
    keys.reset();
    // Somebody else's connection, as the audit room's, with the shared lock that says to other processes: the log is in use.
    auto other = store::Database::open({.path = path()});
    ASSERT_TRUE(other) << other.error().message;
    ASSERT_TRUE(other->execute("SELECT count(*) FROM identity_state"));
    keys = open();
    const int file = ::open(path().c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(file, 0);
    // SQLite's shared bytes ("File Locking And Concurrency": SHARED_FIRST, 510 of them).
    struct flock lock{};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000002;
    lock.l_len = 510;
    ASSERT_EQ(::fcntl(file, F_OFD_GETLK, &lock), 0);
    EXPECT_EQ(lock.l_type, F_RDLCK) << "another process would take itself for the last one, and remove the log";
    ::close(file);
}

TEST_F(KeyStoreTest, AKeyMakesItsCaller) {
    const NewKey made = make({.name = "the app",
                              .tenant = "north",
                              .scopes = {"provenance", "flood:read", "provenance"},
                              .rate = Rate{.count = 600, .period = 1min, .burst = 60},
                              .daily_cap = Points{2500},
                              .expires = clock.unix_ms() + 1000});
    const CallerPtr who = caller(made.text);
    ASSERT_TRUE(who);
    EXPECT_EQ(who->kind, Caller::Kind::kKey);
    EXPECT_EQ(who->actor, "key:" + made.record.public_id);
    EXPECT_EQ(who->actor_hash, hash_of(who->actor));
    EXPECT_EQ(who->tenant, "north");
    EXPECT_EQ(who->tenant_hash, hash_of("north"));
    EXPECT_THAT(who->scopes, ::testing::ElementsAre("provenance", "flood:read"));
    EXPECT_FALSE(who->admin);
    EXPECT_EQ(who->rate, (Rate{.count = 600, .period = 1min, .burst = 60}));
    EXPECT_EQ(who->daily_cap, Points{2500});
    EXPECT_FALSE(who->revoked.load());
}

TEST_F(KeyStoreTest, AKeyOutlivesTheProcess) {
    const NewKey made = make({.name = "admin", .scopes = {"admin"}, .daily_cap = Points{100}});
    keys.reset();
    keys = open();
    const CallerPtr who = caller(made.text);
    ASSERT_TRUE(who);
    EXPECT_TRUE(who->admin);
    EXPECT_EQ(who->daily_cap, Points{100});
    const auto list = keys->list();
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 1U);
    EXPECT_EQ(list->front().name, "admin");
}

TEST_F(KeyStoreTest, AWrongSecretIsAsUnknownAsAWrongId) {
    const NewKey made = make();
    std::string wrong = made.text;
    wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
    EXPECT_EQ(refusal(wrong), Refusal::kUnknown);
    EXPECT_EQ(refusal("tg_777777777777_" + made.text.substr(16)), Refusal::kUnknown);
    EXPECT_EQ(refusal(made.text), Refusal::kNone);
}

TEST_F(KeyStoreTest, TheExpiryIsLookedAtAtEachUse) {
    const NewKey made = make({.name = "short", .scopes = {"*"}, .expires = clock.unix_ms() + 1000});
    EXPECT_EQ(refusal(made.text), Refusal::kNone);
    clock.advance(999ms);
    EXPECT_EQ(refusal(made.text), Refusal::kNone);
    clock.advance(1ms);
    EXPECT_EQ(refusal(made.text), Refusal::kExpired);
    EXPECT_EQ(keys->status().active, 0U);
    EXPECT_EQ(keys->status().known, 1U);
}

TEST_F(KeyStoreTest, ARevokedKeyIsRefusedAtOnceAndItsRequestsUnderWaySeeIt) {
    const NewKey made = make();
    const NewKey other = make();
    const CallerPtr under_way = caller(made.text);
    const CallerPtr of_other = caller(other.text);
    const auto revoked = keys->revoke(made.record.public_id);
    ASSERT_TRUE(revoked);
    EXPECT_EQ(revoked->revoked, clock.unix_ms());
    EXPECT_EQ(refusal(made.text), Refusal::kRevoked);
    EXPECT_TRUE(under_way->revoked.load());
    EXPECT_FALSE(of_other->revoked.load());
    EXPECT_EQ(caller(other.text), of_other) << "a key that did not change keeps its caller";
}

TEST_F(KeyStoreTest, RevokingTwiceKeepsTheFirstTime) {
    const NewKey made = make();
    const UnixMillis first = clock.unix_ms();
    ASSERT_TRUE(keys->revoke(made.record.public_id));
    clock.advance(1h);
    const auto again = keys->revoke(made.record.public_id);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->revoked, first);
    EXPECT_EQ(keys->revoke("aaaaaaaaaaab").error().code, ErrorCode::kNotFound);
}

TEST_F(KeyStoreTest, BothKeysWorkWhileARotationOverlaps) {
    const NewKey old = make({.name = "k", .tenant = "t", .scopes = {"flood"}, .daily_cap = Points{5000}});
    const CallerPtr before = caller(old.text);
    clock.advance(1s);
    auto fresh = keys->rotate(old.record.public_id, 1h);
    ASSERT_TRUE(fresh) << fresh.error().message;
    EXPECT_NE(fresh->text, old.text);
    EXPECT_EQ(caller(old.text), before) << "its requests under way keep the caller that a revocation reaches";
    const CallerPtr after = caller(fresh->text);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->actor, before->actor) << "one caller, one daily cap";
    EXPECT_EQ(after->tenant, "t");
    EXPECT_EQ(after->daily_cap, Points{5000});
    clock.advance(1h);
    EXPECT_EQ(refusal(old.text), Refusal::kExpired);
    EXPECT_EQ(refusal(fresh->text), Refusal::kNone);
    const auto list = keys->list();
    ASSERT_TRUE(list);
    ASSERT_EQ(list->size(), 2U);
    EXPECT_EQ(list->at(0).rotated_from, old.record.public_id);
    EXPECT_EQ(list->at(1).rotated_to, fresh->record.public_id);
}

TEST_F(KeyStoreTest, ARevocationReachesRequestsFromBeforeARotation) {
    const NewKey old = make();
    const CallerPtr under_way = caller(old.text);
    ASSERT_TRUE(keys->rotate(old.record.public_id, 1h));
    EXPECT_FALSE(under_way->revoked.load());
    ASSERT_TRUE(keys->revoke(old.record.public_id));
    EXPECT_TRUE(under_way->revoked.load());
}

TEST_F(KeyStoreTest, RequestsUnderWayKnowWhenTheirKeyEnds) {
    const NewKey key = make();
    const CallerPtr under_way = caller(key.text);
    EXPECT_EQ(under_way->ends.load(), std::numeric_limits<UnixMillis>::max());
    ASSERT_TRUE(keys->rotate(key.record.public_id, 1h));
    EXPECT_EQ(under_way->ends.load(), clock.unix_ms() + 3'600'000);
    const UnixMillis expires = clock.unix_ms() + 1000;
    EXPECT_EQ(caller(make({.name = "k", .scopes = {"*"}, .expires = expires}).text)->ends.load(), expires);
}

TEST_F(KeyStoreTest, ARotationWithoutOverlapEndsTheOldKeyNow) {
    const NewKey old = make({.name = "k", .scopes = {"*"}, .expires = clock.unix_ms() + 1000});
    const auto fresh = keys->rotate(old.record.public_id, 0s, clock.unix_ms() + 5000);
    ASSERT_TRUE(fresh);
    EXPECT_EQ(refusal(old.text), Refusal::kExpired);
    EXPECT_EQ(fresh->record.expires, clock.unix_ms() + 5000);
}

TEST_F(KeyStoreTest, OnlyAKeyThatWorksIsRotatedAndOnlyOnce) {
    const NewKey old = make();
    ASSERT_TRUE(keys->rotate(old.record.public_id, 1h));
    EXPECT_EQ(keys->rotate(old.record.public_id, 1h).error().code, ErrorCode::kConflict);
    const NewKey gone = make();
    ASSERT_TRUE(keys->revoke(gone.record.public_id));
    EXPECT_EQ(keys->rotate(gone.record.public_id, 1h).error().code, ErrorCode::kConflict);
    EXPECT_EQ(keys->rotate("aaaaaaaaaaab", 1h).error().code, ErrorCode::kNotFound);
    EXPECT_EQ(keys->rotate(make().record.public_id, 1h, clock.unix_ms()).error().code, ErrorCode::kFailedValidation);
}

TEST_F(KeyStoreTest, AnUnfitKeyIsNotMade) {
    const KeySpec sound{.name = "k", .scopes = {"*"}};
    const auto refused = [&](auto&& spoil) {
        KeySpec spec = sound;
        spoil(spec);
        const auto made = keys->create(spec);
        return !made && made.error().code == ErrorCode::kFailedValidation;
    };
    EXPECT_TRUE(refused([](KeySpec& s) { s.name.clear(); }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.name = "two\nlines"; }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.tenant = std::string(129, 't'); }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.scopes.clear(); }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.scopes = {"two words"}; }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.scopes.assign(33, "a"); }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.rate = Rate{}; }));
    EXPECT_TRUE(refused([](KeySpec& s) { s.daily_cap = Points{-1}; }));
    EXPECT_TRUE(refused([this](KeySpec& s) { s.expires = clock.unix_ms(); }));
    EXPECT_EQ(keys->status().known, 0U);
}

TEST_F(KeyStoreTest, AChangeByAnotherProcessIsSeenAtTheNextLook) {
    const NewKey made = make();
    const CallerPtr under_way = caller(made.text);
    EXPECT_EQ(keys->refresh(), false);
    IdentityCounters theirs;
    const auto other = KeyStore::open({.path = path()}, clock, random, theirs).value();
    const NewKey second = std::move(other->create({.name = "second", .scopes = {"*"}})).value();
    EXPECT_EQ(refusal(second.text), Refusal::kUnknown);
    EXPECT_EQ(keys->refresh(), true);
    EXPECT_EQ(refusal(second.text), Refusal::kNone);
    ASSERT_TRUE(other->revoke(made.record.public_id));
    EXPECT_EQ(keys->refresh(), true);
    EXPECT_EQ(refusal(made.text), Refusal::kRevoked);
    EXPECT_TRUE(under_way->revoked.load());
    EXPECT_EQ(keys->refresh(), false);
}

TEST_F(KeyStoreTest, AChangeByHandIsSeenToo) {
    const NewKey made = make();
    const CallerPtr under_way = caller(made.text);
    auto database = store::Database::open({.path = path()}).value();
    ASSERT_TRUE(database.execute("UPDATE api_keys SET scopes='flood'"));
    EXPECT_EQ(keys->refresh(), true);
    EXPECT_TRUE(under_way->revoked.load()) << "it has other rights now";
    EXPECT_THAT(caller(made.text)->scopes, ::testing::ElementsAre("flood"));
    ASSERT_TRUE(database.execute("DELETE FROM api_keys"));
    EXPECT_EQ(keys->refresh(), true);
    EXPECT_EQ(refusal(made.text), Refusal::kUnknown);
}

TEST_F(KeyStoreTest, WritesOfOthersToTheDatabaseCauseNoReload) {
    const std::uint64_t version = keys->version();
    auto database = store::Database::open({.path = path()}).value();
    ASSERT_TRUE(database.execute("CREATE TABLE elsewhere(a); INSERT INTO elsewhere VALUES(1)"));
    EXPECT_EQ(keys->refresh(), false);
    EXPECT_EQ(keys->version(), version);
}

TEST_F(KeyStoreTest, WhenTheTableCannotBeReadTheKeysStayAndItIsSaid) {
    const NewKey made = make();
    auto database = store::Database::open({.path = path()}).value();
    ASSERT_TRUE(database.execute("ALTER TABLE identity_state RENAME TO away"));
    EXPECT_FALSE(keys->refresh());
    EXPECT_EQ(refusal(made.text), Refusal::kNone);
    EXPECT_TRUE(keys->status().degraded);
    EXPECT_FALSE(keys->status().reason.empty());
    EXPECT_EQ(counters.key_store_failures.value(), 1U);
    ASSERT_TRUE(database.execute("ALTER TABLE away RENAME TO identity_state"));
    EXPECT_TRUE(keys->refresh());
    EXPECT_FALSE(keys->status().degraded);
}

TEST_F(KeyStoreTest, TheTimeOfUseIsKeptToTheMinuteAndWrittenSeldom) {
    const NewKey made = make();
    make();
    EXPECT_FALSE(keys->list()->back().last_used);
    clock.advance(90s);
    const UnixMillis minute = clock.unix_ms() - clock.unix_ms() % 60'000;
    ASSERT_TRUE(caller(made.text));
    const auto used = [](const KeyStore&, const Result<std::vector<KeyRecord>>& list, const std::string& id) {
        for (const KeyRecord& record : *list) {
            if (record.public_id == id) return record.last_used;
        }
        return std::optional<UnixMillis>();
    };
    EXPECT_EQ(used(*keys, keys->list(), made.record.public_id), minute) << "this process knows before the table does";
    IdentityCounters theirs;
    const auto other = KeyStore::open({.path = path()}, clock, random, theirs).value();
    EXPECT_EQ(used(*other, other->list(), made.record.public_id), std::nullopt);
    ASSERT_TRUE(keys->write_last_used());
    EXPECT_EQ(used(*other, other->list(), made.record.public_id), minute);
    EXPECT_EQ(keys->refresh(), false) << "a time of use is no change";
}

TEST_F(KeyStoreTest, TheFirstAdminKeyIsMadeOnceOnly) {
    auto first = keys->create_first_admin();
    ASSERT_TRUE(first && first->has_value());
    EXPECT_TRUE(caller((*first)->text)->admin);
    EXPECT_TRUE(caller((*first)->text)->may_use("provenance"));
    EXPECT_EQ(keys->create_first_admin().value().has_value(), false);
    ASSERT_TRUE(keys->revoke((*first)->record.public_id));
    EXPECT_EQ(keys->create_first_admin().value().has_value(), false) << "a revoked key is a key that was there";
}

TEST_F(KeyStoreTest, TheSaltIsMadeOnceAndKept) {
    const std::string salt = keys->salt();
    EXPECT_EQ(salt.size(), 32U);
    keys.reset();
    keys = open();
    EXPECT_EQ(keys->salt(), salt);
}

std::string bytes_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

TEST_F(KeyStoreTest, NoSecretIsInAnyFileOrListing) {
    const NewKey made = make();
    const auto rotated = keys->rotate(made.record.public_id, 1h);
    ASSERT_TRUE(rotated);
    std::string shown;
    JsonWriter writer(shown);
    const auto list = keys->list();
    writer.begin_array();
    for (const KeyRecord& record : *list) {
        writer.begin_object();
        append_members(writer, record, clock.unix_ms());
        writer.end_object();
    }
    writer.end_array();
    for (const std::string& text : {made.text, rotated->text}) {
        const std::string secret = text.substr(16);
        EXPECT_EQ(shown.find(secret), std::string::npos);
        for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(path()).parent_path())) {
            EXPECT_EQ(bytes_of(entry.path()).find(secret), std::string::npos) << entry.path();
        }
    }
    EXPECT_NE(bytes_of(path()).size() + bytes_of(path() + "-wal").size(), 0U);
}

TEST_F(KeyStoreTest, OtherUsersOfTheMachineMayNotReadTheDatabase) {
    for (const char* suffix : {"", "-wal"}) {
        struct stat info{};
        ASSERT_EQ(::stat((path() + suffix).c_str(), &info), 0) << suffix;
        EXPECT_EQ(info.st_mode & 077U, 0U) << suffix;
    }
    // A file that others could read is closed to them, and stays open to its group.
    keys.reset();
    ASSERT_EQ(::chmod(path().c_str(), 0644), 0);
    keys = open();
    struct stat info{};
    ASSERT_EQ(::stat(path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777U, 0640U);
}

TEST(Scopes, AFamilyLetsInToItsPartsAndStarEverywhereButAdmin) {
    Caller caller;
    caller.scopes = {"provenance", "flood:read"};
    EXPECT_TRUE(caller.may_use("provenance"));
    EXPECT_TRUE(caller.may_use("provenance:read"));
    EXPECT_FALSE(caller.may_use("provenance2"));
    EXPECT_TRUE(caller.may_use("flood:read"));
    EXPECT_FALSE(caller.may_use("flood"));
    EXPECT_FALSE(caller.may_use("flood:write"));
    EXPECT_FALSE(caller.may_use("admin"));
    EXPECT_TRUE(caller.may_use_any({}));
    const std::vector<std::string> either{"speech", "flood:read"};
    EXPECT_TRUE(caller.may_use_any(either));
    Caller star;
    star.scopes = {"*"};
    EXPECT_TRUE(star.may_use("anything:at-all"));
    EXPECT_FALSE(star.may_use("admin"));
    EXPECT_FALSE(star.may_use("admin:keys"));
    Caller admin;
    admin.admin = true;
    EXPECT_TRUE(admin.may_use("admin"));
    EXPECT_TRUE(admin.may_use("flood"));
}

}  // namespace
}  // namespace tidegate::pipeline
