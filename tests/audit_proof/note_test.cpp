#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "audit/proof/base64.h"
#include "audit/proof/checkpoint.h"
#include "audit_proof/known_tree.h"
#include "audit_proof/temp_folder.h"

namespace tidegate::audit::proof {
namespace {

// The published example of Go's sumdb/note package, which C2SP signed-note was written from.
constexpr std::string_view kVerifier = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
constexpr std::string_view kSecret = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
constexpr std::string_view kText =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
constexpr std::string_view kSignature =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

std::string published_note() {
    return std::string(kText) + "\n" + std::string(kSignature);
}

TEST(Base64, TakesOnlyWhatItWrites) {
    // RFC 4648, section 10.
    const std::vector<std::pair<std::string, std::string>> vectors{{"", ""},
                                                                   {"f", "Zg=="},
                                                                   {"fo", "Zm8="},
                                                                   {"foo", "Zm9v"},
                                                                   {"foob", "Zm9vYg=="},
                                                                   {"fooba", "Zm9vYmE="},
                                                                   {"foobar", "Zm9vYmFy"}};
    for (const auto& [bytes, text] : vectors) {
        EXPECT_EQ(encode_base64(bytes), text);
        EXPECT_EQ(decode_base64(text), bytes);
    }
    for (const char* text : {"Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zm 9v", "Zm9v\n", "Zm9-", "Zg==Zg=="}) {
        EXPECT_FALSE(decode_base64(text)) << text;
    }
}

TEST(SignedNote, ThePublishedExampleVerifiesAndIsSignedAgainByteForByte) {
    const SignedNote note = parse_note(published_note()).value();
    EXPECT_EQ(note.text, kText);
    EXPECT_EQ(format_note(note), published_note());
    const VerifierKey key = VerifierKey::parse(kVerifier).value();
    EXPECT_EQ(key.to_text(), kVerifier);
    EXPECT_TRUE(check_note(note, {key}));

    const SigningKey signer = SigningKey::from_seed(decode_base64(kSecret)->substr(1), "PeterNeumann").value();
    EXPECT_EQ(signer.verifier().to_text(), kVerifier);
    EXPECT_EQ(signer.sign(kText), note.signatures.front());
}

TEST(SignedNote, NoChangedBitVerifies) {
    const VerifierKey key = VerifierKey::parse(kVerifier).value();
    const std::string note = published_note();
    for (std::size_t bit = 0; bit < note.size() * 8; ++bit) {
        std::string changed = note;
        changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
        const auto parsed = parse_note(changed);
        EXPECT_FALSE(parsed && check_note(*parsed, {key})) << bit;
    }
}

TEST(SignedNote, MalformedOnesAreRefused) {
    const std::string text(kText);
    const std::string signature(kSignature);
    for (const std::string& note :
         {std::string(), text, text + signature, text + "\n", text + "\n" + signature.substr(0, signature.size() - 1),
          text + "\n" + signature + "\n", text + "\n" + signature + "more\n", text + "\n\n" + signature + "\n\n",
          text + "\x01\n" + signature, text + "\r\n\n" + signature, text + "\xFF\n\n" + signature,
          text + "\n- PeterNeumann x08go/ZJ\n", text + "\n— Peter+Neumann x08go/ZJ\n", text + "\n—  x08go/ZJ\n",
          text + "\n— Peter\xC2\xA0N x08go/ZJ\n", text + "\n— PeterNeumann x08goA==\n",
          text + "\n— PeterNeumann x08gow==\n", std::string(SignedNote::kBytesMax, 'x') + "\n\n" + signature}) {
        EXPECT_FALSE(parse_note(note)) << note.substr(0, 300);
    }
    std::string many = text + "\n";
    for (std::size_t i = 0; i < SignedNote::kSignaturesMax; ++i) many += signature;
    EXPECT_TRUE(parse_note(many));
    EXPECT_FALSE(parse_note(many + signature));
}

TEST(VerifierKeys, EveryChangedOrCutTextIsRefused) {
    for (std::size_t i = 0; i < kVerifier.size(); ++i) {
        EXPECT_FALSE(VerifierKey::parse(kVerifier.substr(0, i))) << i;
        if (i != 0) {
            EXPECT_FALSE(VerifierKey::parse(kVerifier.substr(i))) << i;
        }
        std::string changed(kVerifier);
        ++changed[i];
        EXPECT_FALSE(VerifierKey::parse(changed)) << changed;
    }
    // From the same published tests: a key of wrong length and one of an unknown type, each with a hash that fits.
    EXPECT_FALSE(VerifierKey::parse("PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY=="));
    EXPECT_FALSE(VerifierKey::parse("PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"));
}

TEST(VerifierKeys, AFileOfThemMayHaveComments) {
    EXPECT_EQ(parse_verifier_keys("# of the log\n\n" + std::string(kVerifier) + "\r\n").value().size(), 1U);
    EXPECT_FALSE(parse_verifier_keys("# none\n"));
    EXPECT_FALSE(parse_verifier_keys(std::string(kVerifier) + "\nnonsense\n"));
}

TEST(CheckNote, UnknownSignersAreIgnoredAndAKnownOneMustHold) {
    const VerifierKey peter = VerifierKey::parse(kVerifier).value();
    const SigningKey other = SigningKey::from_seed(std::string(32, 's'), "log.example").value();
    SignedNote note = parse_note(published_note()).value();
    EXPECT_FALSE(check_note(note, {other.verifier()})) << "not one of ours";
    note.signatures.push_back(other.sign(kText));
    EXPECT_TRUE(check_note(note, {peter}));
    EXPECT_TRUE(check_note(note, {peter, other.verifier()}));
    note.signatures.back().bytes[3] ^= 1;
    EXPECT_TRUE(check_note(note, {peter})) << "of a key that we do not know";
    EXPECT_FALSE(check_note(note, {peter, other.verifier()}));
}

class SigningKeyFile : public ::testing::Test {
  protected:
    TempFolder folder_;
    const std::string path_ = folder_.path() + "/checkpoint.pem";
};

TEST_F(SigningKeyFile, IsReadableByItsOwnerOnlyAndComesBackTheSame) {
    const SigningKey made = SigningKey::create(path_, "log.example").value();
    struct stat state{};
    ASSERT_EQ(::stat(path_.c_str(), &state), 0);
    EXPECT_EQ(state.st_mode & 0777U, 0600U);
    const SigningKey loaded = SigningKey::load(path_, "log.example").value();
    EXPECT_EQ(loaded.verifier().to_text(), made.verifier().to_text());
    EXPECT_EQ(loaded.sign("text\n"), made.sign("text\n"));
    EXPECT_TRUE(made.verifier().signature_holds("text\n", loaded.sign("text\n").bytes));
    EXPECT_FALSE(made.verifier().signature_holds("Text\n", loaded.sign("text\n").bytes));
}

TEST_F(SigningKeyFile, IsNeverReplaced) {
    const SigningKey made = SigningKey::create(path_, "log.example").value();
    EXPECT_EQ(SigningKey::create(path_, "log.example").error().code, ErrorCode::kConflict);
    EXPECT_EQ(SigningKey::load(path_, "log.example")->verifier().to_text(), made.verifier().to_text());
}

TEST_F(SigningKeyFile, ThatOthersMayReadIsRefused) {
    ASSERT_TRUE(SigningKey::create(path_, "log.example"));
    ASSERT_EQ(::chmod(path_.c_str(), 0640), 0);
    EXPECT_EQ(SigningKey::load(path_, "log.example").error().code, ErrorCode::kPermissionDenied);
}

TEST_F(SigningKeyFile, ThatIsNoneIsRefused) {
    EXPECT_EQ(SigningKey::load(path_, "log.example").error().code, ErrorCode::kNotFound);
    EXPECT_EQ(SigningKey::create(path_, "a log").error().code, ErrorCode::kInvalidArgument);
    std::ofstream(path_) << "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
    EXPECT_EQ(SigningKey::load(path_, "log.example").error().code, ErrorCode::kInvalidArgument);
}

TEST(CheckpointText, TakesOnlyWhatItWrites) {
    const Checkpoint checkpoint{"log.example/a", {20'852'163, hash_of_hex(kKnownRoots[7])}, {"time 1700000000000"}};
    EXPECT_EQ(parse_checkpoint(to_text(checkpoint)).value(), checkpoint);
    const std::string root = encode_base64(std::string(32, 'r'));
    EXPECT_TRUE(parse_checkpoint("log\n0\n" + root + "\n"));
    for (const std::string& text :
         {std::string(), "log\n0\n" + root, "\n0\n" + root + "\n", "log\n00\n" + root + "\n", "log\n+1\n" + root + "\n",
          "log\n\n" + root + "\n", std::string("log\n1\nAAAA\n"), "log\n1\n" + root + " \n", "log\n1\n" + root + "\n\n",
          "log\n18446744073709551615\n" + root + "\n", "log\n1\n" + root + "\n" + std::string(17, 'e') + "\n\n"}) {
        EXPECT_FALSE(parse_checkpoint(text)) << text;
    }
}

TEST(OpenCheckpoint, RefusesAnotherLogsAndAnotherKeys) {
    const SigningKey ours = SigningKey::from_seed(std::string(32, 'o'), "log.example").value();
    const SigningKey theirs = SigningKey::from_seed(std::string(32, 't'), "log.example").value();
    const TreeHead head{3, hash_of_hex(kKnownRoots[3])};
    const std::string note = sign_checkpoint(head, 1'700'000'000'000, ours);
    EXPECT_EQ(open_checkpoint(note, {ours.verifier()})->head, head);
    EXPECT_EQ(open_checkpoint(note, {theirs.verifier()}).error().code, ErrorCode::kPermissionDenied);
    SignedNote foreign;
    foreign.text = to_text({"other.example", head, {}});
    foreign.signatures.push_back(ours.sign(foreign.text));
    EXPECT_EQ(open_checkpoint(format_note(foreign), {ours.verifier()}).error().code, ErrorCode::kPermissionDenied);
}

class CheckpointFileTest : public ::testing::Test {
  protected:
    std::string note(std::uint64_t size) const {
        return sign_checkpoint({size, hash_of_hex(kKnownRoots[size % 9])}, 1'700'000'000'000, key_);
    }
    std::string bytes() const {
        std::ifstream file(path_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    const SigningKey key_ = SigningKey::from_seed(std::string(32, 'k'), "log.example").value();
    TempFolder folder_;
    const std::string path_ = folder_.path() + "/checkpoints";
};

TEST_F(CheckpointFileTest, GrowsAndIsReadBack) {
    {
        CheckpointFile file = CheckpointFile::open(path_).value();
        EXPECT_FALSE(file.last());
        ASSERT_TRUE(file.append(note(3)));
        ASSERT_TRUE(file.append(note(7)));
        EXPECT_EQ(file.append(note(7)).error().code, ErrorCode::kConflict);
        EXPECT_EQ(file.append(note(2)).error().code, ErrorCode::kConflict);
    }
    EXPECT_EQ(bytes(), note(3) + "\n" + note(7) + "\n");
    const std::string all = bytes();
    EXPECT_EQ(split_checkpoints(all), (std::vector<std::string_view>{note(3), note(7)}));
    EXPECT_EQ(CheckpointFile::open(path_)->last()->size, 7U);
}

TEST_F(CheckpointFileTest, AHalfWrittenEndIsCutWhereverItWasTorn) {
    const std::string whole = note(3) + "\n";
    const std::string torn = note(7) + "\n";
    for (std::size_t cut = 0; cut < torn.size(); ++cut) {
        std::ofstream(path_, std::ios::binary | std::ios::trunc) << whole << torn.substr(0, cut);
        CheckpointFile file = CheckpointFile::open(path_).value();
        ASSERT_EQ(file.last()->size, 3U) << cut;
        ASSERT_TRUE(file.append(note(5)));
        ASSERT_EQ(bytes(), whole + note(5) + "\n") << cut;
    }
}

}  // namespace
}  // namespace tidegate::audit::proof
