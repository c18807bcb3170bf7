// SPDX-License-Identifier: Apache-2.0
// The built-in schemas: what a market-data source emits and what the order book makes of it. Each
// is a C struct here and a `struct mr_schema` of the same layout, so that C code reads records
// through the struct and everything else through the schema.
//
//     const struct mr_order_add *add = (const void *)record; // record->schema_id ==
//     MR_SCHEMA_ORDER_ADD printf("%.8s %u @ %.4f\n", add->symbol, add->shares, add->price / 1e4);
//
// Conventions of all of them
//   - They begin with the envelope (core/record.h), are a multiple of 8 bytes long, hold no
//   implicit
//     padding, and are naturally aligned where the record is, as in rings and journals.
//   - `locate` is the exchange's number of the instrument for the day; `symbol` its name,
//   left-justified and
//     filled with zeroes. Messages that name the instrument by number only get the symbol that an
//     earlier message announced; if none did, symbol is empty and the envelope has
//     MR_FLAG_UNKNOWN_REF.
//   - Prices are unsigned integers of 1/10,000 USD (`decimal_u32(4)`), but for the circuit breaker
//   levels.
//   - One-letter codes keep the letter of the exchange's specification; what they mean stands
//   beside them.
//   - The order messages share one layout: order_ref at 40, symbol at 48, shares at 56, price
//   at 60.
//   - event_time_ns is the message's own time stamp, as ns since the Unix epoch. The exchange's
//   internal
//     tracking number is not kept.
//
// Source of 1-23: "Nasdaq TotalView-ITCH 5.0"; the name of its section stands with each struct.
#ifndef MR_CORE_MARKET_H
#define MR_CORE_MARKET_H

#include "core/schema.h"

enum mr_market_schema_id {
    MR_SCHEMA_SYSTEM_EVENT = 1,
    MR_SCHEMA_STOCK_DIRECTORY,
    MR_SCHEMA_TRADING_ACTION,
    MR_SCHEMA_REG_SHO,
    MR_SCHEMA_MARKET_PARTICIPANT,
    MR_SCHEMA_MWCB_LEVELS,
    MR_SCHEMA_MWCB_STATUS,
    MR_SCHEMA_IPO_QUOTE,
    MR_SCHEMA_LULD_COLLAR,
    MR_SCHEMA_OPERATIONAL_HALT,
    MR_SCHEMA_ORDER_ADD,
    MR_SCHEMA_ORDER_ADD_MPID,
    MR_SCHEMA_ORDER_EXECUTED,
    MR_SCHEMA_ORDER_EXECUTED_PRICE,
    MR_SCHEMA_ORDER_CANCEL,
    MR_SCHEMA_ORDER_DELETE,
    MR_SCHEMA_ORDER_REPLACE,
    MR_SCHEMA_TRADE,
    MR_SCHEMA_CROSS_TRADE,
    MR_SCHEMA_BROKEN_TRADE,
    MR_SCHEMA_NOII,
    MR_SCHEMA_RETAIL_INTEREST,
    MR_SCHEMA_DIRECT_LISTING, // 23

    MR_SCHEMA_BEST_QUOTE = 30, // order book: best bid and offer changed
    MR_SCHEMA_BOOK_TRADE = 31, // order book: a trade
    MR_SCHEMA_BOOK_ALERT = 32, // order book: an event that does not fit the book
    MR_SCHEMA_GAP = 33,        // a source: messages that never came

    MR_SCHEMA_MOCK = 40, // the built-in generator's record
};
#define MR_SCHEMA_ITCH_FIRST MR_SCHEMA_SYSTEM_EVENT
#define MR_SCHEMA_ITCH_LAST MR_SCHEMA_DIRECT_LISTING
#define MR_SYMBOL_BYTES 8
#define MR_PRICE_SCALE 4 // digits behind the point of every decimal_u32 price below

// The schema of a built-in id; lives as long as the process, never freed. NULL for an id not above.
const struct mr_schema *mr_market_schema(uint16_t id);
// Adds copies of the built-in schemas with ids first..last to the set (ids that do not exist are
// passed over); of all of them.
int mr_market_schemas_range(struct mr_schema_set *set, uint16_t first, uint16_t last,
                            struct mr_error *err);
int mr_market_schemas(struct mr_schema_set *set, struct mr_error *err);

// Size and the places of fields, beside each struct: what stands in files must not move.
#define MR_LAYOUT(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " size")
#define MR_PLACE(type, field, at)                                                                  \
    _Static_assert(offsetof(struct type, field) == (at), #type "." #field)

// ---- system, stocks, participants

// S, "System Event Message". event_code: O start of messages, S start of system hours, Q start of
// market hours, M end of market hours, E end of system hours, C end of messages. locate is 0.
struct mr_system_event {
    struct mr_record env;
    uint16_t locate;
    char event_code;
    char reserved;
};
MR_LAYOUT(mr_system_event, 40);
MR_PLACE(mr_system_event, event_code, 38);

// R, "Stock Directory". market_category: Q Nasdaq Global Select, G Global, S Capital, N NYSE, A
// NYSE American, P NYSE Arca, Z BATS Z, V IEX, blank n/a. financial_status: D deficient, E
// delinquent, Q bankrupt, S suspended, G deficient+bankrupt, H deficient+delinquent, J
// delinquent+bankrupt, K all three, C creations/redemptions suspended, N normal, blank n/a.
// round_lots_only: Y/N. issue_classification and issue_subtype: code tables of the specification.
// authenticity: P live, T test. short_sale_threshold, ipo_flag: Y, N, blank. luld_tier: 1, 2,
// blank. etp_flag: Y, N, blank; etp_leverage_factor: e.g. 2; inverse_indicator: Y/N.
struct mr_stock_directory {
    struct mr_record env;
    uint16_t locate;
    char market_category;
    char financial_status;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t round_lot_size;
    char round_lots_only;
    char issue_classification;
    char issue_subtype[2];
    char authenticity;
    char short_sale_threshold;
    char ipo_flag;
    char luld_tier;
    uint32_t etp_leverage_factor;
    char etp_flag;
    char inverse_indicator;
    char reserved[6];
};
MR_LAYOUT(mr_stock_directory, 72);
MR_PLACE(mr_stock_directory, symbol, 40);
MR_PLACE(mr_stock_directory, round_lot_size, 48);
MR_PLACE(mr_stock_directory, etp_leverage_factor, 60);

// H, "Stock Trading Action". trading_state: H halted, P paused, Q quotation only, T trading.
// reason: code table of the specification, blank-trimmed.
struct mr_trading_action {
    struct mr_record env;
    uint16_t locate;
    char trading_state;
    char reserved;
    char symbol[MR_SYMBOL_BYTES];
    char reason[4];
    char reserved_2[4];
};
MR_LAYOUT(mr_trading_action, 56);
MR_PLACE(mr_trading_action, symbol, 40);
MR_PLACE(mr_trading_action, reason, 48);

// Y, "Reg SHO Short Sale Price Test Restricted Indicator". action: 0 no test, 1 restricted by an
// intraday price drop, 2 restricted (remains in effect).
struct mr_reg_sho {
    struct mr_record env;
    uint16_t locate;
    char action;
    char reserved;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_reg_sho, 48);
MR_PLACE(mr_reg_sho, symbol, 40);

// L, "Market Participant Position". primary_market_maker: Y/N. market_maker_mode: N normal, P
// passive, S syndicate, R pre-syndicate, L penalty. participant_state: A active, E
// excused/withdrawn, W withdrawn, S suspended, D deleted.
struct mr_market_participant {
    struct mr_record env;
    uint16_t locate;
    char primary_market_maker;
    char market_maker_mode;
    char symbol[MR_SYMBOL_BYTES];
    char mpid[4];
    char participant_state;
    char reserved[3];
};
MR_LAYOUT(mr_market_participant, 56);
MR_PLACE(mr_market_participant, symbol, 40);
MR_PLACE(mr_market_participant, mpid, 48);
MR_PLACE(mr_market_participant, participant_state, 52);

// V, "MWCB Decline Level Message". The three market-wide circuit breaker levels, 1/100,000,000.
struct mr_mwcb_levels {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    int64_t level_1;
    int64_t level_2;
    int64_t level_3;
};
MR_LAYOUT(mr_mwcb_levels, 64);
MR_PLACE(mr_mwcb_levels, level_1, 40);
MR_PLACE(mr_mwcb_levels, level_3, 56);

// W, "MWCB Status Message". breached_level: 1, 2, 3.
struct mr_mwcb_status {
    struct mr_record env;
    uint16_t locate;
    char breached_level;
    char reserved;
};
MR_LAYOUT(mr_mwcb_status, 40);
MR_PLACE(mr_mwcb_status, breached_level, 38);

// K, "Quoting Period Update". release_qualifier: A anticipated, C cancelled or postponed.
// release_time_ns is 0 where cancelled.
struct mr_ipo_quote {
    struct mr_record env;
    uint16_t locate;
    char release_qualifier;
    char reserved;
    char symbol[MR_SYMBOL_BYTES];
    int64_t release_time_ns;
    uint32_t ipo_price;
    char reserved_2[4];
};
MR_LAYOUT(mr_ipo_quote, 64);
MR_PLACE(mr_ipo_quote, symbol, 40);
MR_PLACE(mr_ipo_quote, release_time_ns, 48);
MR_PLACE(mr_ipo_quote, ipo_price, 56);

// J, "Limit Up - Limit Down (LULD) Auction Collar". extension: number of extensions so far.
struct mr_luld_collar {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    char symbol[MR_SYMBOL_BYTES];
    uint32_t reference_price;
    uint32_t upper_price;
    uint32_t lower_price;
    uint32_t extension;
};
MR_LAYOUT(mr_luld_collar, 64);
MR_PLACE(mr_luld_collar, symbol, 40);
MR_PLACE(mr_luld_collar, reference_price, 48);
MR_PLACE(mr_luld_collar, extension, 60);

// h, "Operational Halt". market_code: Q Nasdaq, B BX, X PSX. action: H halted, T resumed.
struct mr_operational_halt {
    struct mr_record env;
    uint16_t locate;
    char market_code;
    char action;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_operational_halt, 48);
MR_PLACE(mr_operational_halt, symbol, 40);

// ---- orders

// A, "Add Order - No MPID Attribution". side: B buy, S sell. One cache line.
struct mr_order_add {
    struct mr_record env;
    uint16_t locate;
    char side;
    char reserved;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t price;
};
MR_LAYOUT(mr_order_add, 64);
MR_PLACE(mr_order_add, locate, 36);
MR_PLACE(mr_order_add, side, 38);
MR_PLACE(mr_order_add, order_ref, 40);
MR_PLACE(mr_order_add, symbol, 48);
MR_PLACE(mr_order_add, shares, 56);
MR_PLACE(mr_order_add, price, 60);

// F, "Add Order - MPID Attribution". As above, and who: attribution.
struct mr_order_add_mpid {
    struct mr_record env;
    uint16_t locate;
    char side;
    char reserved;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t price;
    char attribution[4];
    char reserved_2[4];
};
MR_LAYOUT(mr_order_add_mpid, 72);
MR_PLACE(mr_order_add_mpid, order_ref, 40);
MR_PLACE(mr_order_add_mpid, symbol, 48);
MR_PLACE(mr_order_add_mpid, shares, 56);
MR_PLACE(mr_order_add_mpid, price, 60);
MR_PLACE(mr_order_add_mpid, attribution, 64);

// E, "Order Executed Message". `shares` of the order traded at the order's own price.
struct mr_order_executed {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t reserved_2;
    uint64_t match_number;
};
MR_LAYOUT(mr_order_executed, 72);
MR_PLACE(mr_order_executed, order_ref, 40);
MR_PLACE(mr_order_executed, symbol, 48);
MR_PLACE(mr_order_executed, shares, 56);
MR_PLACE(mr_order_executed, match_number, 64);

// C, "Order Executed With Price Message". printable: Y, or N where a later cross trade reports the
// volume.
struct mr_order_executed_price {
    struct mr_record env;
    uint16_t locate;
    char printable;
    char reserved;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t price;
    uint64_t match_number;
};
MR_LAYOUT(mr_order_executed_price, 72);
MR_PLACE(mr_order_executed_price, printable, 38);
MR_PLACE(mr_order_executed_price, order_ref, 40);
MR_PLACE(mr_order_executed_price, symbol, 48);
MR_PLACE(mr_order_executed_price, shares, 56);
MR_PLACE(mr_order_executed_price, price, 60);
MR_PLACE(mr_order_executed_price, match_number, 64);

// X, "Order Cancel Message". `shares` were taken off the order; the rest stays.
struct mr_order_cancel {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t reserved_2;
};
MR_LAYOUT(mr_order_cancel, 64);
MR_PLACE(mr_order_cancel, order_ref, 40);
MR_PLACE(mr_order_cancel, symbol, 48);
MR_PLACE(mr_order_cancel, shares, 56);

// D, "Order Delete Message".
struct mr_order_delete {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_order_delete, 56);
MR_PLACE(mr_order_delete, order_ref, 40);
MR_PLACE(mr_order_delete, symbol, 48);

// U, "Order Replace Message". order_ref goes; new_order_ref comes with shares and price, on the
// same side and with the same attribution, behind all orders of that price.
struct mr_order_replace {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t price;
    uint64_t new_order_ref;
};
MR_LAYOUT(mr_order_replace, 72);
MR_PLACE(mr_order_replace, order_ref, 40);
MR_PLACE(mr_order_replace, symbol, 48);
MR_PLACE(mr_order_replace, shares, 56);
MR_PLACE(mr_order_replace, price, 60);
MR_PLACE(mr_order_replace, new_order_ref, 64);

// ---- trades and auctions

// P, "Trade Message (Non-Cross)". A match against an order that was never displayed. side: always B
// since 2014; order_ref: 0 since 2017.
struct mr_trade {
    struct mr_record env;
    uint16_t locate;
    char side;
    char reserved;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t shares;
    uint32_t price;
    uint64_t match_number;
};
MR_LAYOUT(mr_trade, 72);
MR_PLACE(mr_trade, side, 38);
MR_PLACE(mr_trade, order_ref, 40);
MR_PLACE(mr_trade, symbol, 48);
MR_PLACE(mr_trade, shares, 56);
MR_PLACE(mr_trade, price, 60);
MR_PLACE(mr_trade, match_number, 64);

// Q, "Cross Trade Message". cross_type: O opening, C closing, H halted or paused stock, I intraday.
struct mr_cross_trade {
    struct mr_record env;
    uint16_t locate;
    char cross_type;
    char reserved;
    uint64_t shares;
    char symbol[MR_SYMBOL_BYTES];
    uint32_t reserved_2;
    uint32_t price;
    uint64_t match_number;
};
MR_LAYOUT(mr_cross_trade, 72);
MR_PLACE(mr_cross_trade, cross_type, 38);
MR_PLACE(mr_cross_trade, shares, 40);
MR_PLACE(mr_cross_trade, symbol, 48);
MR_PLACE(mr_cross_trade, price, 60);
MR_PLACE(mr_cross_trade, match_number, 64);

// B, "Broken Trade / Order Execution Message". The execution with that match number did not hold.
struct mr_broken_trade {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    uint64_t match_number;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_broken_trade, 56);
MR_PLACE(mr_broken_trade, match_number, 40);
MR_PLACE(mr_broken_trade, symbol, 48);

// I, "Net Order Imbalance Indicator (NOII) Message". direction: B buy, S sell, N none, O too few
// orders, P paused. cross_type: O, C, H, A extended trading close. price_variation: L below 1 %,
// then 1-9, A, B, C in steps, blank not computed.
struct mr_noii {
    struct mr_record env;
    uint16_t locate;
    char direction;
    char cross_type;
    uint64_t paired_shares;
    char symbol[MR_SYMBOL_BYTES];
    uint64_t imbalance_shares;
    uint32_t far_price;
    uint32_t near_price;
    uint32_t reference_price;
    char price_variation;
    char reserved[3];
};
MR_LAYOUT(mr_noii, 80);
MR_PLACE(mr_noii, paired_shares, 40);
MR_PLACE(mr_noii, symbol, 48);
MR_PLACE(mr_noii, imbalance_shares, 56);
MR_PLACE(mr_noii, far_price, 64);
MR_PLACE(mr_noii, price_variation, 76);

// N, "Retail Price Improvement Indicator (RPII)". interest: B buy side, S sell side, A both, N
// none.
struct mr_retail_interest {
    struct mr_record env;
    uint16_t locate;
    char interest;
    char reserved;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_retail_interest, 48);
MR_PLACE(mr_retail_interest, symbol, 40);

// O, "Direct Listing with Capital Raise Price Discovery Message". open_eligibility: Y the stock may
// be released, N not. near_execution_time_ns: when near_price was computed; 0 where it was not.
struct mr_direct_listing {
    struct mr_record env;
    uint16_t locate;
    char open_eligibility;
    char reserved;
    char symbol[MR_SYMBOL_BYTES];
    int64_t near_execution_time_ns;
    uint32_t near_price;
    uint32_t minimum_price;
    uint32_t maximum_price;
    uint32_t lower_collar;
    uint32_t upper_collar;
    uint32_t reserved_2;
};
MR_LAYOUT(mr_direct_listing, 80);
MR_PLACE(mr_direct_listing, symbol, 40);
MR_PLACE(mr_direct_listing, near_execution_time_ns, 48);
MR_PLACE(mr_direct_listing, near_price, 56);
MR_PLACE(mr_direct_listing, upper_collar, 72);

// ---- made by operators and sources

// The best bid and offer of a stock after a change of either: price, total displayed shares and
// number of orders at that price. A side without orders has price 0, shares 0, orders 0.
// MR_FLAG_CROSSED in the envelope where the bid is at or above the offer.
struct mr_best_quote {
    struct mr_record env;
    uint16_t locate;
    char reserved[2];
    char symbol[MR_SYMBOL_BYTES];
    uint32_t bid_price;
    uint32_t ask_price;
    uint64_t bid_shares;
    uint64_t ask_shares;
    uint32_t bid_orders;
    uint32_t ask_orders;
};
MR_LAYOUT(mr_best_quote, 80);
MR_PLACE(mr_best_quote, symbol, 40);
MR_PLACE(mr_best_quote, bid_price, 48);
MR_PLACE(mr_best_quote, ask_price, 52);
MR_PLACE(mr_best_quote, bid_shares, 56);
MR_PLACE(mr_best_quote, ask_shares, 64);
MR_PLACE(mr_best_quote, bid_orders, 72);

// A trade as the book saw it. side: of the resting order, B or S; blank for a cross. order_ref: 0
// where no displayed order took part. printable: Y counts in volume, N does not.
struct mr_book_trade {
    struct mr_record env;
    uint16_t locate;
    char side;
    char printable;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
    uint64_t shares;
    uint64_t match_number;
    uint32_t price;
    uint32_t reserved;
};
MR_LAYOUT(mr_book_trade, 80);
MR_PLACE(mr_book_trade, order_ref, 40);
MR_PLACE(mr_book_trade, symbol, 48);
MR_PLACE(mr_book_trade, shares, 56);
MR_PLACE(mr_book_trade, match_number, 64);
MR_PLACE(mr_book_trade, price, 72);

// An event that does not fit the book. message_type is the letter of the message that did not fit.
enum mr_alert_kind {
    MR_ALERT_UNKNOWN_REFERENCE,   // refers to an order that is not in the book
    MR_ALERT_CROSSED,             // best bid at or above best offer
    MR_ALERT_OVERFILL,            // more shares executed or cancelled than the order has
    MR_ALERT_DUPLICATE_REFERENCE, // adds an order that is there already
    MR_ALERT_FULL,                // the book's declared limit of orders or levels is reached
};
struct mr_book_alert {
    struct mr_record env;
    uint16_t locate;
    uint8_t kind; // mr_alert_kind
    char message_type;
    uint64_t order_ref;
    char symbol[MR_SYMBOL_BYTES];
};
MR_LAYOUT(mr_book_alert, 56);
MR_PLACE(mr_book_alert, kind, 38);
MR_PLACE(mr_book_alert, order_ref, 40);
MR_PLACE(mr_book_alert, symbol, 48);

// Messages from_sequence..to_sequence, `lost` of them, of a session never came. The envelope's
// sequence is from_sequence, its times those of the message that showed the gap.
#define MR_SESSION_BYTES 10
struct mr_gap {
    struct mr_record env;
    uint32_t reserved;
    uint64_t from_sequence;
    uint64_t to_sequence;
    uint64_t lost;
    char session[MR_SESSION_BYTES];
    char reserved_2[6];
};
MR_LAYOUT(mr_gap, 80);
MR_PLACE(mr_gap, from_sequence, 40);
MR_PLACE(mr_gap, to_sequence, 48);
MR_PLACE(mr_gap, lost, 56);
MR_PLACE(mr_gap, session, 64);

// The textbook record: id 1-1000, value 0-100.
struct mr_mock {
    struct mr_record env;
    uint32_t id;
    double value;
};
MR_LAYOUT(mr_mock, 48);
MR_PLACE(mr_mock, id, 36);
MR_PLACE(mr_mock, value, 40);

#undef MR_LAYOUT
#undef MR_PLACE

#endif
