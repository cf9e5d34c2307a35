/**
 * Functions and operators that SQL may use. Each answers from its arguments alone and holds little more than those: none reads
 * a file, a setting or the catalogue, draws random numbers, keeps something, or makes much out of little.
 */
const words = (text: string): readonly string[] => text.trim().split(/\s+/)

export const FUNCTIONS: ReadonlySet<string> = new Set(
  words(`
    + - * / // % ** ^ & | ~ << >> || @ ! = == <> != < <= > >= -> ->>
    ~~ !~~ ~~* !~~* ~~~ like_escape ilike_escape not_like_escape not_ilike_escape

    count count_star count_if sum sum_no_overflow fsum kahan_sum avg mean favg min max median mode arg_min arg_max
    argmin argmax min_by max_by any_value first last bool_and bool_or bit_and bit_or product
    quantile quantile_cont quantile_disc percentile_cont percentile_disc approx_count_distinct approx_quantile
    stddev stddev_pop stddev_samp variance var_pop var_samp sem skewness kurtosis entropy mad
    corr covar_pop covar_samp regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy
    histogram list array_agg string_agg group_concat listagg

    row_number rank dense_rank rank_dense percent_rank cume_dist ntile lag lead first_value last_value nth_value

    abs ceil ceiling floor round trunc sign sqrt cbrt exp ln log log2 log10 pow power greatest least mod divide add subtract
    multiply fdiv fmod pi degrees radians sin cos tan asin acos atan atan2 isnan isinf isfinite even gcd lcm
    width_bucket

    lower lcase upper ucase length len char_length character_length strlen trim ltrim rtrim substring substr left right
    translate position strpos instr contains starts_with prefix suffix ends_with split_part
    regexp_matches regexp_full_match regexp_extract reverse concat concat_ws initcap strip_accents ascii chr unicode ord
    jaccard jaro_similarity jaro_winkler_similarity hamming mismatches nfc_normalize md5 sha256 hash
    format_bytes formatreadablesize

    date_trunc datetrunc date_part datepart date_diff datediff date_sub datesub date_add time_bucket age epoch epoch_ms
    epoch_us epoch_ns extract year month day hour minute second quarter week weekday weekofyear yearweek dayofweek isodow
    isoyear dayofmonth dayofyear dayname monthname last_day make_date make_time make_timestamp make_timestamp_ms
    to_timestamp strftime strptime try_strptime timezone to_years to_quarters to_months to_weeks to_days to_hours to_minutes
    to_seconds to_milliseconds to_microseconds current_date today now get_current_timestamp current_timestamp
    current_localtimestamp julian century decade

    coalesce ifnull nullif if case constant_or_null typeof
    list_value list_contains list_has list_position list_indexof list_extract list_element list_slice list_sort
    list_reverse_sort list_distinct list_unique list_sum list_avg list_min list_max list_median list_count list_any_value
    list_first list_last list_filter list_transform list_apply list_has_any list_has_all list_intersect
    list_aggregate array_contains array_length array_extract array_slice array_distinct array_to_string cardinality unnest
    flatten struct_pack struct_extract row map map_keys map_values map_extract element_at map_contains array_value

    json_extract json_extract_string json_extract_path json_extract_path_text json_array_length json_type
    json_exists json_value json_valid json_contains to_json
  `),
)

/** Those that stand where a table does. */
export const TABLE_FUNCTIONS: ReadonlySet<string> = new Set(['unnest', 'range', 'generate_series'])
