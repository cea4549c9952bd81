#include "audit/keep/log_key.h"

#include "base/file.h"

namespace tidegate::audit::keep {
namespace {

constexpr std::uint64_t kKeyTextMax = 4096;

Result<void> write_public(const std::string& path, const proof::SigningKey& key) {
    SystemDisk disk;
    return disk.write_atomic(public_key_path(path), key.verifier().to_text() + "\n");
}

}  // namespace

std::string public_key_path(const std::string& key_path) {
    return key_path + ".pub";
}

Result<proof::SigningKey> create_log_key(const std::string& path, const std::string& origin) {
    TG_TRY(proof::SigningKey key, proof::SigningKey::create(path, origin));
    TG_CHECK(write_public(path, key));
    return key;
}

Result<LogKey> open_log_key(const std::string& path, const std::string& origin) {
    auto loaded = proof::SigningKey::load(path, origin);
    if (!loaded && loaded.error().code == ErrorCode::kNotFound) {
        TG_TRY(proof::SigningKey key, create_log_key(path, origin));
        return LogKey{.key = std::move(key), .made = true};
    }
    if (!loaded) return std::unexpected(std::move(loaded).error());
    const auto text = SystemDisk().read(public_key_path(path), kKeyTextMax);
    if (text) {
        TG_TRY(const auto keys, proof::parse_verifier_keys(*text));
        if (keys.size() != 1 || keys[0].to_text() != loaded->verifier().to_text()) {
            return fail(ErrorCode::kConflict,
                        "the public key beside audit.signing_key is another one's, or of another audit.origin");
        }
    } else if (text.error().code == ErrorCode::kNotFound) {
        TG_CHECK(write_public(path, *loaded));
    } else {
        return std::unexpected(text.error());
    }
    return LogKey{.key = *std::move(loaded), .made = false};
}

}  // namespace tidegate::audit::keep
