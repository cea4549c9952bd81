// Books: users, cards, attributions and the double-entry ledger, as rows of ledger.db or of PostgreSQL over one connection.
//
// Guarantee   Within the caller's transaction every transfer writes two entries that add up to zero and both balances that follow from
//             them; no user's balance falls below zero; entries are never changed nor removed. A tenant sees its own rows alone.
// Source      Double entry as in TigerBeetle's model: accounts and transfers; a mistake is mended by another transfer. The rules of
//             tokens are the origin's: publishing mints 1, a citation moves 0.1, a remix 0.5, a reply 0.05 to the author.
// Threads     One at a time.
// When it fails  kNotFound, kConflict, kFailedValidation (not enough tokens), kPermissionDenied: said to the caller. Others: the store's.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/result.h"
#include "services/content/ledger/amount.h"
#include "services/content/ledger/book_store.h"

namespace tidegate::content {

inline constexpr Units kPublishReward = kToken;

/// Who acts: of the key, never of the body.
struct Actor {
    std::string tenant;
    std::string name;  // As in Decisions.
    bool admin = false;
};

struct User {
    std::string id, username, email, display_name, bio, avatar_url;
    std::string owner;  // The actor that made it; spends its tokens and changes its cards.
    Units balance = 0;
    UnixMillis created_ms = 0;
    std::int64_t row = 0, account = 0;
};

struct Card {
    std::string id, user_id, title, body, category, privacy_level;
    std::string tags;      // A JSON array.
    std::string metadata;  // A JSON object, or empty.
    std::string parent_id, source_url, published_url;
    bool published = false;
    UnixMillis created_ms = 0, updated_ms = 0;
    std::int64_t row = 0, user = 0;
    std::string owner;  // Of the user.
};

struct CardFilter {
    std::string user_id, category, privacy_level,
        text;  // Empty: any. `text`: in the title or the body, whatever the case.
    std::optional<bool> published{};
};

/// An end that the reader may not see is empty, and so are context, excerpt and metadata.
struct Attribution {
    std::string id, source_card_id, target_card_id, type, user_id, author_id, context, excerpt, transfer_id;
    Units amount = 0;
    UnixMillis created_ms = 0;
    std::int64_t row = 0;
    std::string metadata;  // A JSON object, or empty.
};

struct Transfer {
    std::string id, from_user_id, to_user_id;  // Empty: the supply.
    std::string kind, reason, card_id, attribution_id;
    Units amount = 0, from_balance = 0, to_balance = 0;
    UnixMillis created_ms = 0;
    std::int64_t row = 0;
    std::string metadata;  // A JSON object, or empty.
};

struct TokenStats {
    Units balance = 0;
    WideUnits earned = 0, spent = 0, minted = 0;  // What goes round may be more than all there is.
    std::int64_t transfers = 0;
};

template <class T>
struct Page {
    std::vector<T> items;
    std::int64_t next = 0;  // 0: that was all.
};

/// What tidegate ledger reconcile found.
struct Reconciliation {
    std::int64_t tenants = 0, accounts = 0, transfers = 0, entries = 0;
    WideUnits sum = 0;                // Of all entries, of the first tenant where it is not 0: must be 0.
    std::vector<std::string> faults;  // The first 20, in words.
    bool sound() const noexcept { return sum == 0 && faults.empty(); }
};

/// `citation`, `remix`, `reply`; what it moves to the author; nullopt: no such type.
std::optional<Units> attribution_price(std::string_view type) noexcept;
/// Cards that others may see and cite, and whose publication earns: BUSINESS and IDEAS.
bool is_public_level(std::string_view privacy_level) noexcept;

class Books {
  public:
    static Result<std::unique_ptr<Books>> open(BookHome& home, const Clock& clock, Random& random);
    BookStore& store() noexcept { return *store_; }

    // Users.
    Result<User> add_user(const Actor& actor, User user);
    Result<User> user(const Actor& actor, std::string_view id);
    /// kPermissionDenied: another's.
    Result<User> own_user(const Actor& actor, std::string_view id);
    Result<Page<User>> users(const Actor& actor, std::string_view text, std::int64_t before, std::size_t limit);

    // Cards. One that the actor may not see is kNotFound.
    Result<Card> add_card(const Actor& actor, Card card);
    Result<Card> card(const Actor& actor, std::string_view id);
    Result<Card> change_card(const Actor& actor, const Card& card);
    Result<void> remove_card(const Actor& actor, std::string_view id);
    Result<Page<Card>> cards(const Actor& actor, const CardFilter& filter, std::int64_t before, std::size_t limit);
    /// Mints the reward for a card that was not published before.
    Result<Card> publish(const Actor& actor, std::string_view card_id);

    // Attributions. One of which the actor may see neither card is not there.
    Result<Attribution> attribute(const Actor& actor, Attribution wanted, std::string_view metadata);
    Result<Attribution> attribution(const Actor& actor, std::string_view id);
    /// Those whose source is the card, newest first.
    Result<Page<Attribution>> attributions_of_card(const Actor& actor, std::string_view card_id, std::int64_t before,
                                                   std::size_t limit);
    Result<Page<Attribution>> attributions_received(const Actor& actor, std::string_view user_id, std::int64_t before,
                                                    std::size_t limit);
    /// All that touch the card at either end.
    Result<std::vector<Attribution>> attributions_about(const Actor& actor, std::string_view card_id,
                                                        std::size_t limit);

    // Tokens.
    /// From the supply.
    Result<Transfer> award(const Actor& actor, std::string_view user_id, Units amount, Transfer note);
    Result<Transfer> transfer(const Actor& actor, std::string_view from, std::string_view to, Units amount,
                              Transfer note);
    Result<Page<Transfer>> transfers(const Actor& actor, std::string_view user_id, std::int64_t before,
                                     std::size_t limit);
    Result<TokenStats> stats(const Actor& actor, std::string_view user_id);

    /// Reads every row.
    Result<Reconciliation> reconcile();

    std::string fresh_id();
    UnixMillis now() const noexcept { return clock_.unix_ms(); }

  private:
    Books(std::unique_ptr<BookStore> store, const Clock& clock, Random& random)
        : store_(std::move(store)), clock_(clock), random_(random) {}
    struct Accounts {
        Units from_balance = 0, to_balance = 0;
        bool from_supply = false;
    };
    Result<Accounts> lock_accounts(std::int64_t from, std::int64_t to);
    Result<std::int64_t> supply_of(std::string_view tenant);
    /// The one place that changes balances.
    Result<Transfer> move(const Actor& actor, std::int64_t from, std::int64_t to, Units amount, Transfer note);

    const std::unique_ptr<BookStore> store_;
    const Clock& clock_;
    Random& random_;
};

}  // namespace tidegate::content
