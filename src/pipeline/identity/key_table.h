// key_table: the keys as rows of the data folder's database; SQL and nothing else.
//
// Tables      api_keys: a row a key, rotated, expired and revoked ones too. identity_state: `generation`, which triggers raise with
//             every change but a time of use, whoever makes it; `salt`, 32 random bytes.
// Threads     As the Database.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "pipeline/identity/key_index.h"
#include "pipeline/identity/key_record.h"
#include "store/sqlite.h"

namespace tidegate::pipeline {

Result<void> migrate_keys(store::Database& database, const Clock& clock);
/// The salt, made when there is none yet.
Result<std::string> read_salt(store::Database& database, Random& random);
Result<std::int64_t> read_generation(store::Database& database);
Result<std::int64_t> count_keys(store::Database& database);
/// Newest first.
Result<std::vector<StoredKey>> read_keys(store::Database& database);
/// kNotFound.
Result<StoredKey> read_key(store::Database& database, std::string_view public_id);
Result<void> insert_key(store::Database& database, const StoredKey& key);
/// Writes `revoked`, `rotated_to` and `overlap_ends` of a key that is there.
Result<void> update_key(store::Database& database, const KeyRecord& record);

struct KeyUse {
    std::string_view public_id;
    UnixMillis at = 0;
};
Result<void> write_uses(store::Database& database, const std::vector<KeyUse>& uses);

}  // namespace tidegate::pipeline
