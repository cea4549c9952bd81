// Books: cards and who built on whose.
#include <algorithm>

#include "base/strings.h"
#include "services/content/ledger/books.h"
#include "services/content/ledger/sql.h"

namespace tidegate::content {
namespace {

constexpr std::string_view kCardColumns =
    "c.row, c.id, u.id, c.title, c.body, c.category, c.privacy_level, c.tags, c.metadata, c.parent_id, c.source_url, "
    "c.published_url,"
    " c.published, c.created_ms, c.updated_ms, c.user, u.owner";
constexpr std::string_view kCardTables = " FROM cards c JOIN users u ON u.row = c.user ";
/// Who may see a card: its owner, an admin (?20 = 1), and everybody where its level is public. ?21: the actor.
constexpr std::string_view kCardSeen =
    " c.removed = 0 AND (?20 = 1 OR u.owner = ?21 OR c.privacy_level IN ('BUSINESS', 'IDEAS')) ";

Card read_card(const BookStatement& row) {
    return {.id = std::string(row.text(1)),
            .user_id = std::string(row.text(2)),
            .title = std::string(row.text(3)),
            .body = std::string(row.text(4)),
            .category = std::string(row.text(5)),
            .privacy_level = std::string(row.text(6)),
            .tags = std::string(row.text(7)),
            .metadata = std::string(row.text(8)),
            .parent_id = std::string(row.text(9)),
            .source_url = std::string(row.text(10)),
            .published_url = std::string(row.text(11)),
            .published = row.integer(12) != 0,
            .created_ms = row.integer(13),
            .updated_ms = row.integer(14),
            .row = row.integer(0),
            .user = row.integer(15),
            .owner = std::string(row.text(16))};
}

constexpr std::string_view kAttributionSelect =
    "SELECT x.row, x.id, s.id, t.id, x.type, u.id, w.id, x.context, x.excerpt, x.transfer_id, x.amount, x.created_ms, "
    "x.metadata, ?20 = 1 OR w.owner = ?21 OR s.privacy_level IN ('BUSINESS', 'IDEAS'),"
    " ?20 = 1 OR u.owner = ?21 OR t.privacy_level IN ('BUSINESS', 'IDEAS') FROM attributions x"
    " JOIN cards s ON s.row = x.source JOIN cards t ON t.row = x.target JOIN users u ON u.row = x.user JOIN users w ON "
    "w.row = x.author ";
/// One end at least that the actor may see.
constexpr std::string_view kAttributionSeen =
    " (?20 = 1 OR w.owner = ?21 OR u.owner = ?21 OR s.privacy_level IN ('BUSINESS', 'IDEAS') OR t.privacy_level IN "
    "('BUSINESS', 'IDEAS')) ";

/// Without what belongs to an end that the actor may not see.
Attribution read_attribution(const BookStatement& row) {
    const bool source_seen = row.integer(13) != 0, target_seen = row.integer(14) != 0;
    Attribution out{.id = std::string(row.text(1)),
                    .source_card_id = std::string(row.text(2)),
                    .target_card_id = std::string(row.text(3)),
                    .type = std::string(row.text(4)),
                    .user_id = std::string(row.text(5)),
                    .author_id = std::string(row.text(6)),
                    .context = std::string(row.text(7)),
                    .excerpt = std::string(row.text(8)),
                    .transfer_id = std::string(row.text(9)),
                    .amount = row.integer(10),
                    .created_ms = row.integer(11),
                    .row = row.integer(0),
                    .metadata = std::string(row.text(12))};
    if (!source_seen) {
        out.source_card_id.clear();
        out.author_id.clear();
    }
    if (!target_seen) {
        out.target_card_id.clear();
        out.user_id.clear();
    }
    // The words of the one about the other, and the other's own.
    if (!source_seen || !target_seen) {
        out.context.clear();
        out.excerpt.clear();
        out.metadata.clear();
    }
    return out;
}

void bind_seer(BookStatement& statement, const Actor& actor) {
    statement.bind(20, std::int64_t{actor.admin ? 1 : 0}).bind(21, actor.name);
}

Result<void> check_own(const Actor& actor, const Card& card) {
    if (actor.admin || card.owner == actor.name) return {};
    return fail(ErrorCode::kPermissionDenied, "This card belongs to another key.");
}

/// `Naming of Cats` to `naming-of-cats`, at most 60 bytes.
std::string slug_of(std::string_view title) {
    std::string out;
    for (const char c : title) {
        const bool upper = c >= 'A' && c <= 'Z';
        if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            out += upper ? static_cast<char>(c + ('a' - 'A')) : c;
        } else if (!out.empty() && out.back() != '-') {
            out += '-';
        }
        if (out.size() == 60) break;
    }
    while (!out.empty() && out.back() == '-') out.pop_back();
    return out.empty() ? "card" : out;
}

}  // namespace

Result<Card> Books::add_card(const Actor& actor, Card card) {
    TG_TRY(const User of, own_user(actor, card.user_id));
    if (!card.parent_id.empty()) {
        TG_CHECK(this->card(actor, card.parent_id));
    }
    if (card.id.empty()) card.id = fresh_id();
    card.user = of.row;
    card.owner = of.owner;
    card.created_ms = card.updated_ms = now();
    TG_TRY(const auto statement,
           store_->prepare("INSERT INTO cards (tenant, id, title, body, category, privacy_level, tags, metadata, "
                           "parent_id, source_url,"
                           " \"user\", created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                           " RETURNING row"));
    bind_texts(*statement, {actor.tenant, card.id, card.title, card.body, card.category, card.privacy_level, card.tags,
                            card.metadata, card.parent_id, card.source_url});
    statement->bind(11, card.user).bind(12, card.created_ms).bind(13, card.updated_ms);
    TG_TRY(card.row, statement->inserted());
    return card;
}

Result<Card> Books::card(const Actor& actor, std::string_view id) {
    TG_TRY(const auto statement, store_->prepare(sql_of({"SELECT ", kCardColumns, kCardTables,
                                                         "WHERE c.tenant = ?1 AND c.id = ?2 AND", kCardSeen})));
    bind_seer(*statement, actor);
    TG_TRY(const bool found, statement->bind(1, actor.tenant).bind(2, id).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such card.");
    return read_card(*statement);
}

Result<Card> Books::change_card(const Actor& actor, const Card& card) {
    TG_CHECK(check_own(actor, card));
    TG_TRY(const auto statement,
           store_->prepare(
               "UPDATE cards SET title = ?1, body = ?2, category = ?3, privacy_level = ?4, tags = ?5, metadata = ?6,"
               " updated_ms = ?7, published = CASE WHEN ?4 IN ('BUSINESS', 'IDEAS') THEN published ELSE 0 END WHERE "
               "row = ?8"));
    bind_texts(*statement, {card.title, card.body, card.category, card.privacy_level, card.tags, card.metadata});
    TG_CHECK(statement->bind(7, now()).bind(8, card.row).run());
    return this->card(actor, card.id);
}

Result<void> Books::remove_card(const Actor& actor, std::string_view id) {
    TG_TRY(const Card gone, card(actor, id));
    TG_CHECK(check_own(actor, gone));
    // The row stays for the attributions that name it; its words go.
    TG_TRY(const auto statement,
           store_->prepare(
               "UPDATE cards SET removed = 1, published = 0, title = '', body = '', metadata = '', tags = '[]', "
               "updated_ms = ?2 WHERE row = ?1"));
    TG_CHECK(statement->bind(1, gone.row).bind(2, now()).run());
    // Nor may a repeated key give them.
    TG_TRY(const auto answers,
           store_->prepare("UPDATE answers SET status = 404, body = '' WHERE tenant = ? AND instr(body, ?) > 0"));
    const std::string named = sql_of({"\"", gone.id, "\""});
    return answers->bind(1, actor.tenant).bind(2, named).run();
}

Result<Page<Card>> Books::cards(const Actor& actor, const CardFilter& filter, std::int64_t before, std::size_t limit) {
    std::string sql =
        sql_of({"SELECT ", kCardColumns, kCardTables, "WHERE c.tenant = ?3 AND c.row < ?1 AND", kCardSeen});
    if (!filter.user_id.empty()) sql += " AND c.user = (SELECT o.row FROM users o WHERE o.tenant = ?3 AND o.id = ?4)";
    if (!filter.category.empty()) sql += " AND c.category = ?5";
    if (!filter.privacy_level.empty()) sql += " AND c.privacy_level = ?6";
    if (!filter.text.empty()) sql += " AND (instr(lower(c.title), ?7) > 0 OR instr(lower(c.body), ?7) > 0)";
    if (filter.published) sql += *filter.published ? " AND c.published = 1" : " AND c.published = 0";
    sql += " ORDER BY c.row DESC LIMIT ?2";
    TG_TRY(const auto statement, store_->prepare(sql));
    bind_seer(*statement, actor);
    statement->bind(3, actor.tenant);
    const std::string part = to_lower(filter.text);
    if (!filter.user_id.empty()) statement->bind(4, filter.user_id);
    if (!filter.category.empty()) statement->bind(5, filter.category);
    if (!filter.privacy_level.empty()) statement->bind(6, filter.privacy_level);
    if (!part.empty()) statement->bind(7, part);
    return read_page<Card>(*store_, *statement, before, limit, read_card);
}

Result<Card> Books::publish(const Actor& actor, std::string_view card_id) {
    TG_TRY(Card wanted, card(actor, card_id));
    TG_CHECK(check_own(actor, wanted));
    if (!is_public_level(wanted.privacy_level)) {
        return fail(ErrorCode::kFailedValidation, "Only cards of BUSINESS and IDEAS are published.");
    }
    if (wanted.published) return wanted;
    TG_TRY(const auto asked, store_->prepare("SELECT rewarded FROM cards WHERE row = ?"));
    TG_CHECK(asked->bind(1, wanted.row).step());
    const bool rewarded = asked->integer(0) != 0;
    asked->reset();
    // The last characters of a UUIDv7 are its random ones.
    const std::string url = "/cards/" + slug_of(wanted.title) + "-" +
                            wanted.id.substr(wanted.id.size() - std::min<std::size_t>(8, wanted.id.size()));
    TG_TRY(const auto statement,
           store_->prepare(
               "UPDATE cards SET published = 1, rewarded = 1, published_url = ?2, updated_ms = ?3 WHERE row = ?1"));
    TG_CHECK(statement->bind(1, wanted.row).bind(2, url).bind(3, now()).run());
    if (!rewarded) {
        Transfer note;
        note.kind = "earn";
        note.reason = "published";
        note.card_id = wanted.id;
        TG_CHECK(award(actor, wanted.user_id, kPublishReward, std::move(note)));
    }
    return card(actor, card_id);
}

Result<Attribution> Books::attribute(const Actor& actor, Attribution wanted, std::string_view metadata) {
    const auto price = attribution_price(wanted.type);
    if (!price) return fail(ErrorCode::kFailedValidation, "There is no such type of attribution.");
    TG_TRY(const Card source, card(actor, wanted.source_card_id));
    TG_TRY(const Card target, card(actor, wanted.target_card_id));
    TG_TRY(const User citing, own_user(actor, wanted.user_id.empty() ? target.user_id : wanted.user_id));
    if (source.row == target.row) return fail(ErrorCode::kFailedValidation, "A card cannot attribute itself.");
    if (target.user != citing.row) {
        return fail(ErrorCode::kPermissionDenied, "The citing card belongs to another user.");
    }
    TG_TRY(const auto same, store_->prepare("SELECT 1 FROM attributions WHERE source = ? AND target = ? AND type = ?"));
    TG_TRY(const bool known, same->bind(1, source.row).bind(2, target.row).bind(3, wanted.type).step());
    if (known) return fail(ErrorCode::kConflict, "This attribution is there already.");
    same->reset();
    wanted.id = fresh_id();
    wanted.user_id = citing.id;
    wanted.author_id = source.user_id;
    wanted.created_ms = now();
    // Between cards of one user nothing is owed.
    if (source.user != citing.row) {
        TG_TRY(const User author, user(actor, source.user_id));
        Transfer note;
        note.kind = "attribution";
        note.reason = wanted.type;
        note.card_id = source.id;
        note.attribution_id = wanted.id;
        TG_TRY(const Transfer paid, transfer(actor, citing.id, author.id, *price, std::move(note)));
        wanted.transfer_id = paid.id;
        wanted.amount = *price;
    }
    TG_TRY(const auto statement,
           store_->prepare(
               "INSERT INTO attributions (tenant, id, type, context, excerpt, metadata, transfer_id, source, target, "
               "\"user\", author, amount, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING row"));
    bind_texts(*statement,
               {actor.tenant, wanted.id, wanted.type, wanted.context, wanted.excerpt, metadata, wanted.transfer_id});
    statement->bind(8, source.row).bind(9, target.row).bind(10, citing.row).bind(11, source.user);
    TG_TRY(wanted.row, statement->bind(12, wanted.amount).bind(13, wanted.created_ms).inserted());
    wanted.metadata = metadata;
    return wanted;
}

Result<Attribution> Books::attribution(const Actor& actor, std::string_view id) {
    TG_TRY(const auto statement,
           store_->prepare(sql_of({kAttributionSelect, "WHERE x.tenant = ?1 AND x.id = ?2 AND", kAttributionSeen})));
    bind_seer(*statement, actor);
    TG_TRY(const bool found, statement->bind(1, actor.tenant).bind(2, id).step());
    if (!found) return fail(ErrorCode::kNotFound, "There is no such attribution.");
    return read_attribution(*statement);
}

Result<Page<Attribution>> Books::attributions_of_card(const Actor& actor, std::string_view card_id, std::int64_t before,
                                                      std::size_t limit) {
    TG_TRY(const Card of, card(actor, card_id));
    TG_TRY(const auto statement,
           store_->prepare(
               sql_of({kAttributionSelect, "WHERE x.source = ?3 AND x.row < ?1 ORDER BY x.row DESC LIMIT ?2"})));
    bind_seer(*statement, actor);
    statement->bind(3, of.row);
    return read_page<Attribution>(*store_, *statement, before, limit, read_attribution);
}

Result<Page<Attribution>> Books::attributions_received(const Actor& actor, std::string_view user_id,
                                                       std::int64_t before, std::size_t limit) {
    TG_TRY(const User of, user(actor, user_id));
    TG_TRY(const auto statement, store_->prepare(sql_of({kAttributionSelect, "WHERE x.author = ?3 AND x.row < ?1 AND",
                                                         kAttributionSeen, "ORDER BY x.row DESC LIMIT ?2"})));
    bind_seer(*statement, actor);
    statement->bind(3, of.row);
    return read_page<Attribution>(*store_, *statement, before, limit, read_attribution);
}

Result<std::vector<Attribution>> Books::attributions_about(const Actor& actor, std::string_view card_id,
                                                           std::size_t limit) {
    TG_TRY(const Card of, card(actor, card_id));
    TG_TRY(const auto statement,
           store_->prepare(
               sql_of({kAttributionSelect,
                       "WHERE (x.source = ?3 OR x.target = ?3) AND x.row < ?1 ORDER BY x.row DESC LIMIT ?2"})));
    bind_seer(*statement, actor);
    statement->bind(3, of.row);
    TG_TRY(auto page, read_page<Attribution>(*store_, *statement, 0, limit, read_attribution));
    return std::move(page.items);
}

}  // namespace tidegate::content
