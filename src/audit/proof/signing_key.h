// The keys of checkpoints: Ed25519, as C2SP signed-note names them.
//
// Guarantee   The private key is a PEM file (PKCS#8) of mode 0600 that is made once and never replaced; a file that others may read is
//             refused. Nothing here logs or returns it.
// Algorithm   Ed25519 (RFC 8032) through OpenSSL; key id = first 4 bytes of SHA-256(name, LF, 0x01, public key).
// Threads     Both are immutable: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "audit/proof/note.h"

namespace tidegate::audit::proof {

using PublicKey = std::array<std::uint8_t, 32>;

/// Whose signatures are believed: `name+hash+key`, the text that an operator publishes.
class VerifierKey {
  public:
    /// `name` passes is_key_name().
    VerifierKey(std::string name, const PublicKey& key);
    /// kInvalidArgument: not a verifier key of an Ed25519 signature, or the hash is not its own.
    static Result<VerifierKey> parse(std::string_view text);
    std::string to_text() const;

    const std::string& name() const noexcept { return name_; }
    std::uint32_t id() const noexcept { return id_; }
    /// Name and key id are this key's; says nothing of the signature itself.
    bool made(const NoteSignature& signature) const noexcept {
        return signature.key_id == id_ && signature.name == name_;
    }
    bool signature_holds(std::string_view text, std::string_view signature) const;

  private:
    std::string name_;
    PublicKey key_;
    std::uint32_t id_;
};
/// One key a line; empty lines and lines that begin with `#` are left out. kInvalidArgument: a line is no key, or there is none.
Result<std::vector<VerifierKey>> parse_verifier_keys(std::string_view text);

class SigningKey {
  public:
    /// A new key under `path`. kConflict: there is a file already.
    static Result<SigningKey> create(const std::string& path, std::string name);
    /// kNotFound, kPermissionDenied (others may read it), kInvalidArgument (no such key, or the name is none).
    static Result<SigningKey> load(const std::string& path, std::string name);
    /// From the 32 secret bytes of RFC 8032: for published test vectors.
    static Result<SigningKey> from_seed(std::string_view seed, std::string name);
    ~SigningKey();
    SigningKey(SigningKey&&) noexcept;
    SigningKey& operator=(SigningKey&&) noexcept;

    const VerifierKey& verifier() const noexcept;
    NoteSignature sign(std::string_view text) const;

  private:
    struct Impl;
    explicit SigningKey(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

/// Error: no signature of these keys, or one of theirs that does not hold (kPermissionDenied).
Result<void> check_note(const SignedNote& note, const std::vector<VerifierKey>& keys);

}  // namespace tidegate::audit::proof
