#include "audit/proof/signing_key.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "audit/proof/base64.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/strings.h"

namespace tidegate::audit::proof {
namespace {

using PKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free_all)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

constexpr char kEd25519 = 0x01;  // Signature type of signed-note.
constexpr std::size_t kSignatureBytes = 64;
constexpr std::size_t kPemBytesMax = 4096;  // An Ed25519 key in PEM has 119.

const std::uint8_t* bytes_of(std::string_view text) {
    return reinterpret_cast<const std::uint8_t*>(text.data());
}

std::string_view chars(const PublicKey& key) {
    return {reinterpret_cast<const char*>(key.data()), key.size()};
}

std::uint32_t key_id(std::string_view name, const PublicKey& key) {
    const Sha256 hash = sha256(fmt::format("{}\n{}{}", name, kEd25519, chars(key)));
    return std::uint32_t{hash[0]} << 24U | std::uint32_t{hash[1]} << 16U | std::uint32_t{hash[2]} << 8U | hash[3];
}

class KeyFile {
  public:
    explicit KeyFile(int fd) : fd_(fd) {}
    ~KeyFile() {
        if (fd_ >= 0) ::close(fd_);
    }
    KeyFile(const KeyFile&) = delete;
    KeyFile& operator=(const KeyFile&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

std::unexpected<Error> errno_error(const char* what) {
    const int error = errno;
    const ErrorCode code = error == ENOENT   ? ErrorCode::kNotFound
                           : error == EEXIST ? ErrorCode::kConflict
                                             : ErrorCode::kUnavailable;
    return fail(code, fmt::format("the signing key {}: {}", what, std::strerror(error)));
}

Result<PublicKey> public_key(const EVP_PKEY* key) {
    PublicKey bytes;
    std::size_t size = bytes.size();
    if (key == nullptr || EVP_PKEY_get_base_id(key) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key, bytes.data(), &size) != 1 || size != bytes.size()) {
        return fail(ErrorCode::kInvalidArgument, "not an Ed25519 key");
    }
    return bytes;
}

Result<void> write_new_file(const std::string& path, std::string_view bytes) {
    const KeyFile file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (file.get() < 0) return errno_error("cannot be made");
    if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fsync(file.get()) != 0) {
        const auto error = errno_error("cannot be written");
        ::unlink(path.c_str());
        return error;
    }
    // Its name too must survive a loss of power: checkpoints are signed with it from now on.
    const std::size_t slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const KeyFile directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (directory.get() < 0 || ::fsync(directory.get()) != 0) return errno_error("cannot be synced");
    return {};
}

// Of secrets: `wipe` when done with the text.
Result<std::string> read_private_file(const std::string& path) {
    const KeyFile file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat state{};
    if (file.get() < 0 || ::fstat(file.get(), &state) != 0) return errno_error("cannot be opened");
    if ((state.st_mode & 077U) != 0) {
        return fail(ErrorCode::kPermissionDenied, "the signing key may be read by others; its mode must be 0600");
    }
    std::string bytes(kPemBytesMax, '\0');
    const ssize_t size = ::read(file.get(), bytes.data(), bytes.size());
    if (size < 0) return errno_error("cannot be read");
    bytes.resize(static_cast<std::size_t>(size));
    return bytes;
}

void wipe(std::string& secret) {
    OPENSSL_cleanse(secret.data(), secret.size());
}

}  // namespace

VerifierKey::VerifierKey(std::string name, const PublicKey& key)
    : name_(std::move(name)), key_(key), id_(key_id(name_, key)) {
    TG_ASSERT(is_key_name(name_));
}

Result<VerifierKey> VerifierKey::parse(std::string_view text) {
    const auto no = [] { return fail(ErrorCode::kInvalidArgument, "not a verifier key (name+hash+key) for Ed25519"); };
    const std::size_t first = text.find('+');
    // The key's base64 may have a `+` of its own; a name may not.
    const std::size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
    if (second == std::string_view::npos || !is_key_name(text.substr(0, first))) return no();
    const auto bytes = decode_base64(text.substr(second + 1));
    PublicKey key;
    if (!bytes || bytes->size() != key.size() + 1 || bytes->front() != kEd25519) return no();
    std::memcpy(key.data(), bytes->data() + 1, key.size());
    VerifierKey parsed(std::string(text.substr(0, first)), key);
    if (parsed.to_text() != text) return no();
    return parsed;
}

std::string VerifierKey::to_text() const {
    return fmt::format("{}+{:08x}+{}", name_, id_, encode_base64(std::string(1, kEd25519).append(chars(key_))));
}

bool VerifierKey::signature_holds(std::string_view text, std::string_view signature) const {
    if (signature.size() != kSignatureBytes) return false;
    const PKey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, key_.data(), key_.size()), EVP_PKEY_free);
    const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    return key && context && EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
}

Result<std::vector<VerifierKey>> parse_verifier_keys(std::string_view text) {
    std::vector<VerifierKey> keys;
    for (const std::string_view line : split(text, '\n')) {
        const std::string_view key = trim(line);
        if (key.empty() || key.starts_with('#')) continue;
        TG_TRY(VerifierKey parsed, VerifierKey::parse(key));
        keys.push_back(std::move(parsed));
    }
    if (keys.empty()) return fail(ErrorCode::kInvalidArgument, "there is no verifier key");
    return keys;
}

struct SigningKey::Impl {
    PKey key;
    VerifierKey verifier;
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::~SigningKey() = default;
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;

const VerifierKey& SigningKey::verifier() const noexcept {
    return impl_->verifier;
}

Result<SigningKey> SigningKey::create(const std::string& path, std::string name) {
    if (!is_key_name(name)) return fail(ErrorCode::kInvalidArgument, "the name of a signing key has no space and no +");
    PKey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), EVP_PKEY_free);
    const Bio bio(BIO_new(BIO_s_secmem()), BIO_free_all);
    if (!key || !bio || PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return fail(ErrorCode::kInternal, "no signing key could be made");
    }
    char* pem = nullptr;
    const auto size = BIO_get_mem_data(bio.get(), &pem);
    TG_CHECK(write_new_file(path, {pem, static_cast<std::size_t>(size)}));
    TG_TRY(const PublicKey bytes, public_key(key.get()));
    return SigningKey(std::make_unique<Impl>(Impl{std::move(key), VerifierKey(std::move(name), bytes)}));
}

Result<SigningKey> SigningKey::load(const std::string& path, std::string name) {
    if (!is_key_name(name)) return fail(ErrorCode::kInvalidArgument, "the name of a signing key has no space and no +");
    TG_TRY(std::string pem, read_private_file(path));
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free_all);
    // No passphrase is asked for on a terminal.
    static constexpr auto kNoPassphrase = [](char*, int, int, void*) { return -1; };
    PKey key(PEM_read_bio_PrivateKey(bio.get(), nullptr, kNoPassphrase, nullptr), EVP_PKEY_free);
    wipe(pem);
    TG_TRY(const PublicKey bytes, public_key(key.get()));
    return SigningKey(std::make_unique<Impl>(Impl{std::move(key), VerifierKey(std::move(name), bytes)}));
}

Result<SigningKey> SigningKey::from_seed(std::string_view seed, std::string name) {
    if (!is_key_name(name)) return fail(ErrorCode::kInvalidArgument, "the name of a signing key has no space and no +");
    PKey key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, bytes_of(seed), seed.size()), EVP_PKEY_free);
    TG_TRY(const PublicKey bytes, public_key(key.get()));
    return SigningKey(std::make_unique<Impl>(Impl{std::move(key), VerifierKey(std::move(name), bytes)}));
}

NoteSignature SigningKey::sign(std::string_view text) const {
    NoteSignature signature{impl_->verifier.name(), impl_->verifier.id(), std::string(kSignatureBytes, '\0')};
    const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    std::size_t size = signature.bytes.size();
    TG_ASSERT(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1);
    TG_ASSERT(EVP_DigestSign(context.get(), reinterpret_cast<std::uint8_t*>(signature.bytes.data()), &size,
                             bytes_of(text), text.size()) == 1);
    TG_ASSERT(size == kSignatureBytes);
    return signature;
}

Result<void> check_note(const SignedNote& note, const std::vector<VerifierKey>& keys) {
    bool held = false;
    for (const NoteSignature& signature : note.signatures) {
        for (const VerifierKey& key : keys) {
            if (!key.made(signature)) continue;
            if (!key.signature_holds(note.text, signature.bytes)) {
                return fail(ErrorCode::kPermissionDenied, "a signature of " + key.name() + " does not hold");
            }
            held = true;
        }
    }
    if (!held) return fail(ErrorCode::kPermissionDenied, "no known key has signed");
    return {};
}

}  // namespace tidegate::audit::proof
