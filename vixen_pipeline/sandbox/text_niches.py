"""What people talk about in a niche: the vocabulary that makes two sandbox personas differ.

Belongs here: data tables only. Does not: choosing, wording, schemas (text_fields, text_schema).
A niche that is not listed gets its topics from the words of the prompt (text_prompt).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Niche:
    """Vocabulary of one niche; every tuple has at least four entries, all fit for all readers."""

    words: tuple[str, ...]
    topics: tuple[str, ...]
    activities: tuple[str, ...]
    jobs: tuple[str, ...]
    goals: tuple[str, ...]
    places: tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _niche(words: str, topics: str, activities: str, jobs: str, goals: str, places: str) -> Niche:
    return Niche(*(_split(part) for part in (words, topics, activities, jobs, goals, places)))


NICHES: dict[str, Niche] = {
    "fitness": _niche(
        "fitness, gym, workout, training, strength, running, crossfit, sport, athlete,"
        " calisthenics",
        "kettlebells, trail running, mobility drills, progressive overload, meal prep, recovery"
        " days,"
        " rowing intervals, pull-up progressions, hill sprints, sleep tracking, swim sets,"
        " sandbags",
        "logging every set, running hill repeats, testing protein pancakes, filming form checks,"
        " foam rolling, cycling to the coast, timing rest intervals, carrying sandbags uphill",
        "strength coach, running-club captain, physiotherapy assistant, rowing instructor",
        "finish a mountain marathon, help a thousand people do a first pull-up,"
        " prove that recovery is training, make home workouts less lonely, write a free strength"
        " plan",
        "a riverside gym, the old running track, a garage full of kettlebells, the coastal path",
    ),
    "travel": _niche(
        "travel, backpacking, adventure, nomad, vanlife, trips, exploring, hiking, outdoors",
        "night trains, mountain huts, street markets, packing lists, border crossings, ferry decks,"
        " off-season cities, paper maps, regional dialects, slow itineraries, desert stars,"
        " hostels",
        "collecting train tickets, sketching harbours, bargaining for spices, rising for first"
        " light,"
        " learning greetings in new languages, repairing a backpack, chasing ferries, mapping"
        " cafés",
        "tour guide, ferry steward, travel-guide editor, mountain-hut keeper",
        "cross a continent without flying, visit every night-train line, show slow travel on a"
        " budget,"
        " write a field guide to quiet cities, meet the makers behind each souvenir",
        "a night-train compartment, a harbour café, a ridge above the clouds, a spice market",
    ),
    "fashion": _niche(
        "fashion, style, outfits, clothing, couture, streetwear, wardrobe, vintage, tailoring",
        "capsule wardrobes, vintage denim, linen tailoring, colour pairing, hand-stitching,"
        " knitwear,"
        " thrift finds, silk scarves, pattern cutting, sturdy boots, fabric care, layered coats",
        "hunting flea markets, restyling one blazer five ways, mending knits, steaming linen,"
        " pinning mood boards, dyeing cotton with onion skins, sketching hemlines, sorting buttons",
        "costume assistant, tailor's apprentice, vintage buyer, textile designer",
        "build a wardrobe that lasts ten years, teach mending to beginners, make thrift feel grand,"
        " trace every fabric to its maker, design a scarf collection",
        "a sunlit atelier, the flea market by the canal, a fabric warehouse, a fitting room",
    ),
    "food": _niche(
        "food, cooking, baking, recipes, chef, kitchen, cuisine, foodie, vegan, pastry",
        "sourdough, fermentation, knife skills, weeknight curries, market vegetables, hand-cut"
        " pasta,"
        " cast-iron pans, herb gardens, miso, citrus desserts, stock making, regional stews",
        "feeding a sourdough starter, testing one sauce nine times, visiting farmers' markets,"
        " pickling radishes, plating by colour, rolling pasta by hand, roasting spices, saving"
        " stock",
        "line cook, pastry chef, market stallholder, recipe tester",
        "make dinner in thirty minutes feel calm, rescue family recipes, waste nothing for a year,"
        " open a tiny supper club, teach knife skills without fear",
        "a tiled kitchen, the Saturday market, a bakery before dawn, a supper club",
    ),
    "gaming": _niche(
        "gaming, games, gamer, esports, streamer, streaming, rpg, speedrun, console, indie",
        "roguelikes, speedruns, pixel art, co-op puzzles, tabletop campaigns, game soundtracks,"
        " level design, retro consoles, fighting-game combos, cosy farming sims, mods,"
        " leaderboards",
        "practising frame-perfect jumps, painting miniatures, mapping secret rooms, tuning"
        " controllers,"
        " hosting co-op nights, cataloguing soundtracks, soldering handhelds, reading patch notes",
        "quality tester, level designer, tournament host, soundtrack archivist",
        "beat a personal-best speedrun, spotlight one small studio a week, host a kind tournament,"
        " finish the backlog before buying anything, design a tiny puzzle game",
        "a desk of retro consoles, an arcade by the pier, a LAN hall, a tabletop café",
    ),
    "tech": _niche(
        "tech, technology, gadgets, coding, software, programming, ai, robotics, hardware, startup",
        "open-source tools, home servers, mechanical keyboards, robotics kits, privacy settings,"
        " command-line tricks, 3D printing, sensors, battery life, accessible interfaces, e-ink,"
        " radio",
        "soldering keyboards, reviewing privacy policies, printing spare parts, automating chores,"
        " timing benchmarks, teaching beginners to code, repairing old laptops, labelling cables",
        "systems administrator, repair technician, interface designer, robotics mentor",
        "explain one hard idea a week, keep old laptops alive, make privacy settings"
        " understandable,"
        " build a robot that waters plants, publish honest benchmarks",
        "a workbench of spare parts, a makerspace, a server cupboard, a quiet library",
    ),
    "beauty": _niche(
        "beauty, makeup, skincare, cosmetics, hair, haircare, nails, fragrance, grooming",
        "sunscreen textures, gentle cleansers, brow shaping, colour theory, nail art, scent"
        " families,"
        " curl care, brush hygiene, ingredient lists, five-minute looks, stage make-up, balms",
        "swatching lipsticks, reading ingredient lists, cleaning brushes, blending pigments,"
        " timing sunscreen reapplication, mixing scents, comparing dupes, sketching nail art",
        "theatre make-up artist, cosmetic chemist, salon colourist, perfumery assistant",
        "take the fear out of ingredient lists, show looks for real mornings, test a product for"
        " a month"
        " before judging, bring stage craft to everyday faces, champion sunscreen",
        "a mirror with warm bulbs, a theatre dressing room, a fragrance counter, a bright salon",
    ),
    "wellness": _niche(
        "wellness, yoga, meditation, mindfulness, pilates, breathwork, calm, selfcare, health",
        "breathing exercises, morning pages, restorative yoga, herbal tea, screen-free evenings,"
        " forest walks, sound baths, posture, gratitude lists, slow stretching, cold swims, sleep",
        "rolling out the mat at dawn, brewing herbal tea, journalling by hand, walking without a"
        " phone,"
        " leading breathing breaks, tending a moss garden, recording rain, stretching at lunch",
        "yoga teacher, breathwork guide, sleep researcher, retreat cook",
        "bring ten quiet minutes to busy days, build a library of free breathing breaks,"
        " walk every forest trail nearby, make rest respectable, swim in every lake of the region",
        "a wooden studio, a pine forest, a lakeside jetty, a rooftop at dawn",
    ),
    "music": _niche(
        "music, singer, guitar, dj, producer, songwriter, vinyl, piano, concert, band, synth",
        "analogue synths, vinyl crates, songwriting, four-track tapes, choir harmonies, drum"
        " patterns,"
        " open-mic nights, sheet music, field recordings, guitar pedals, string quartets,"
        " basslines",
        "sampling street sounds, restringing guitars, digging through crates, writing one chorus"
        " a day,"
        " tuning synths, recording on tape, arranging for strings, mixing in headphones",
        "session musician, sound engineer, record-shop clerk, piano tuner",
        "release a song a month, record an album on four tracks, play in every library of the city,"
        " help shy singers perform, catalogue forgotten B-sides",
        "a tape studio, a record shop, a rehearsal cellar, an empty concert hall",
    ),
    "art": _niche(
        "art, painting, drawing, illustration, design, ceramics, sculpture, sketching, crafts",
        "watercolour washes, gouache studies, life-sized murals, linocuts, ceramic glazes,"
        " charcoal,"
        " sketchbooks, colour mixing, museum corners, paper cutting, clay slips, ink drawings",
        "filling a sketchbook a month, mixing pigments, carving linoleum, copying old masters,"
        " glazing mugs, drawing strangers' shoes, stretching canvas, visiting print fairs",
        "mural painter, ceramics technician, museum guide, stage-set painter",
        "paint a mural in every district, draw daily for a year, make museums less intimidating,"
        " open a shared kiln, sell prints that anyone can afford",
        "a north-lit studio, a kiln room, a museum bench, a print workshop",
    ),
    "books": _niche(
        "books, reading, literature, writing, poetry, novels, bookstagram, library, author",
        "annotated margins, translated fiction, second-hand bookshops, short stories, poetry"
        " readings,"
        " bookbinding, reading slumps, first editions, essay collections, epigraphs, letters,"
        " myths",
        "annotating in pencil, hosting silent reading nights, binding notebooks, ranking first"
        " lines,"
        " shelving by mood, writing letters to authors, swapping paperbacks, reading aloud",
        "bookseller, librarian, translator, small-press editor",
        "read one book from every country, bring back lost readers, bind a book by hand,"
        " run a kind book club, translate a forgotten novella",
        "a second-hand bookshop, a reading room, a window seat, a small press",
    ),
    "photography": _niche(
        "photography, photographer, camera, film, analog, analogue, darkroom, portrait, landscape",
        "35 mm film, darkroom prints, long exposures, street reflections, golden hour, contact"
        " sheets,"
        " pinhole cameras, fog, contrast, rangefinders, night skies, quiet portraits",
        "waiting for fog, developing film in the bath, printing contact sheets, chasing"
        " reflections,"
        " repairing rangefinders, scouting rooftops, labelling negatives, walking with one lens",
        "darkroom technician, photo editor, camera repairer, picture researcher",
        "shoot one roll a week, teach light before gear, make a book of bridges,"
        " photograph every station of one line, restore forgotten cameras",
        "a red-lit darkroom, a foggy bridge, a rooftop at dusk, an empty station",
    ),
    "plants": _niche(
        "plants, gardening, garden, flowers, botany, houseplants, farming, permaculture, nature",
        "seed libraries, balcony tomatoes, composting, pressed flowers, pollinators, moss"
        " terrariums,"
        " pruning, wild meadows, cuttings, herb spirals, soil tests, orchids",
        "swapping seeds, turning compost, pressing flowers, counting pollinators, repotting ferns,"
        " sketching leaves, rescuing wilted orchids, building trellises",
        "botanical-garden assistant, florist, seed-bank curator, market gardener",
        "turn ten balconies into meadows, save heirloom seeds, grow dinner on a windowsill,"
        " name every tree on the street, rescue a hundred houseplants",
        "a glasshouse, a balcony of tomatoes, an allotment, a seed library",
    ),
    "motors": _niche(
        "cars, motors, motorsport, motorcycles, racing, automotive, driving, engines, karting",
        "carburettors, rally stages, vintage scooters, track days, tyre choice, hand tools, paint,"
        " electric conversions, pit stops, dashboards, gravel roads, workshop manuals",
        "rebuilding carburettors, walking rally stages, polishing chrome, timing pit stops,"
        " sourcing rare bolts, reading wiring diagrams, restoring scooters, mapping mountain"
        " passes",
        "restoration mechanic, rally navigator, kart instructor, test engineer",
        "restore one scooter a season, finish a classic rally, explain engines in plain words,"
        " convert a van to electric, keep road trips safe and slow",
        "a two-lift workshop, a gravel rally stage, a mountain pass, a scrapyard",
    ),
    "science": _niche(
        "science, space, astronomy, physics, biology, chemistry, nature, education, history, ocean",
        "meteor showers, microscopes, tide pools, kitchen chemistry, old telescopes, cloud types,"
        " fossil hunting, weather logs, deep-sea creatures, prime numbers, star maps, river"
        " ecology",
        "grinding lenses, logging the weather, photographing tide pools, crystal growing,"
        " plotting star maps, cleaning fossils, debunking myths kindly, reading field notes",
        "observatory guide, marine field assistant, weather observer, museum curator",
        "make one discovery visible a week, map the night sky of the city, log a year of clouds,"
        " bring a telescope to every square, answer questions without jargon",
        "an observatory dome, a tide pool, a museum storeroom, a weather hut",
    ),
    "business": _niche(
        "business, finance, money, investing, career, productivity, entrepreneur, marketing",
        "household budgets, index funds, salary talks, small shops, focus blocks, invoices,"
        " contracts,"
        " side projects, meeting-free days, pricing, pension basics, honest reviews",
        "colour-coding budgets, rehearsing salary talks, interviewing shop owners, testing"
        " planners,"
        " reading small print, blocking focus hours, drawing cash-flow charts, closing tabs",
        "bookkeeper, career adviser, market-stall founder, operations manager",
        "make money talk less awkward, help fifty small shops with pricing, retire the pointless"
        " meeting,"
        " explain pensions in a minute, document a small business in public",
        "a corner café, a co-working loft, a market stall, a quiet office at dawn",
    ),
}
"""Keyed by the slug that prompts most often carry; `Niche.words` are further names for it."""
