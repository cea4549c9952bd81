// VaultWriter: the database half of the Vault: seals content, destroys keys.
//
// Threads     The Vault's writer thread only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "audit/privacy/vault.h"

namespace tidegate::audit::privacy {

/// What a content key is found by.
struct KeyName {
    enum class Kind : std::uint8_t { kSubject = 1, kMonth = 2 };
    std::string tenant;
    Kind kind = Kind::kMonth;
    std::string name;  // The subject's keyed hash, 32 bytes; or `202611`.
    friend auto operator<=>(const KeyName&, const KeyName&) = default;
};
/// Year and month of a time, UTC: 202611.
int month_of(UnixMillis time) noexcept;
/// 202611 -> true; 202613 -> false.
bool is_month(int month) noexcept;
/// The bytes that a data key and a content are bound to.
std::string key_associated(std::string_view id, const KeyName& name);
std::string content_associated(const Uuid& record, Part part, std::string_view tenant);

class VaultWriter {
  public:
    static Result<std::unique_ptr<VaultWriter>> open(KeyStore& keys, std::uint64_t messages_per_key_max,
                                                     const Clock& clock, Random& random);

    Result<void> begin();
    /// Both parts; the filing's key is made when it is new.
    Result<void> add(const Filing& filing, const Content& content);
    Result<void> commit();
    /// After a failure: nothing of the transaction counts.
    void roll_back();

    Result<Erased> destroy(const KeyName& name, const Erased& told, int month);
    /// Nothing of what was deleted stays in the write-ahead log.
    Result<void> clean();
    Result<void> note_logged(const Uuid& event);

  private:
    struct DataKey {
        std::string id;
        Key key;
        std::int64_t generation = 0;
        std::uint64_t messages = 0;
        std::uint64_t added = 0;  // In this transaction.
    };
    VaultWriter(KeyStore& keys, store::Database database, std::uint64_t messages_per_key_max, const Clock& clock,
                Random& random);
    Result<void> prepare();
    Result<DataKey*> key_for(const KeyName& name);
    Result<DataKey> make_key(const KeyName& name, std::int64_t generation);
    Result<void> add_part(const Filing& filing, Part part, std::string_view content, DataKey& key);

    KeyStore& keys_;
    store::Database database_;
    const std::uint64_t messages_per_key_max_;
    const Clock& clock_;
    Random& random_;
    store::Statement find_key_, insert_key_, count_key_, insert_content_;
    std::unique_ptr<store::Transaction> transaction_;
    std::map<KeyName, DataKey> keys_in_use_;  // For one transaction: an erasure finds no key in memory.
};

}  // namespace tidegate::audit::privacy
