#include "services/flood/store.h"

#include <array>

#include "store/migrations.h"

namespace tidegate::flood {
namespace {

constexpr std::array<store::Migration, 1> kMigrations{{{1, "basins and devices",
                                                        "CREATE TABLE flood_basins (id TEXT PRIMARY KEY, body TEXT NOT "
                                                        "NULL, loaded_ms INTEGER NOT NULL) WITHOUT ROWID;"
                                                        "CREATE TABLE flood_devices (key TEXT PRIMARY KEY, state BLOB "
                                                        "NOT NULL, saved_ms INTEGER NOT NULL) WITHOUT ROWID;"}}};

store::Blob bytes_of(const std::string& text) {
    // SQLite's bytes are unsigned, ours are not: the one cast between them.
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

Result<std::unique_ptr<FloodStore>> FloodStore::open(const std::string& path, const Clock& clock) {
    TG_TRY(store::Database database, store::Database::open({.path = path, .vfs = {}}));
    TG_CHECK(store::migrate(database, "flood", kMigrations, clock));
    return std::unique_ptr<FloodStore>(new FloodStore(std::move(database)));
}

Result<void> FloodStore::save_basin(const Basin& basin, UnixMillis now) {
    TG_TRY(store::Statement statement,
           database_.prepare("INSERT INTO flood_basins (id, body, loaded_ms) VALUES (?, ?, ?) ON CONFLICT (id) DO "
                             "UPDATE SET body = excluded.body, loaded_ms = excluded.loaded_ms"));
    const std::string body = to_json(basin);
    return statement.bind(1, std::string_view(basin.id)).bind(2, std::string_view(body)).bind(3, now).run();
}

Result<bool> FloodStore::remove_basin(std::string_view id) {
    TG_TRY(store::Statement statement, database_.prepare("DELETE FROM flood_basins WHERE id = ?"));
    TG_CHECK(statement.bind(1, id).run());
    return database_.changes() > 0;
}

Result<std::vector<Basin>> FloodStore::basins() {
    TG_TRY(store::Statement statement, database_.prepare("SELECT body FROM flood_basins ORDER BY id"));
    std::vector<Basin> out;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        TG_TRY(Basin basin, basin_from_json(statement.text(0)));
        out.push_back(std::move(basin));
    }
}

Result<void> FloodStore::save_devices(std::span<const StoredDevice> devices, UnixMillis now) {
    TG_TRY(store::Transaction transaction, store::Transaction::begin(database_));
    TG_TRY(store::Statement statement,
           database_.prepare("INSERT INTO flood_devices (key, state, saved_ms) VALUES (?, ?, ?) ON CONFLICT (key) DO "
                             "UPDATE SET state = excluded.state, saved_ms = excluded.saved_ms"));
    for (const StoredDevice& device : devices) {
        TG_CHECK(statement.bind(1, std::string_view(device.key)).bind(2, bytes_of(device.state)).bind(3, now).run());
    }
    return transaction.commit();
}

Result<std::vector<StoredDevice>> FloodStore::devices() {
    TG_TRY(store::Statement statement, database_.prepare("SELECT key, state FROM flood_devices"));
    std::vector<StoredDevice> out;
    for (;;) {
        TG_TRY(const bool more, statement.step());
        if (!more) return out;
        const store::Blob state = statement.blob(1);
        out.push_back({std::string(statement.text(0)), std::string(state.begin(), state.end())});
    }
}

}  // namespace tidegate::flood
