"""Everyday English from a grammar: captions, headlines, questions, small talk and opinions.

It is for training by distillation.

>>> for sentence in sentences(3, seed=5):
...     print(sentence)
You should check the price before you move in.
The night train was not late because of a sick passenger but because of a missing driver.
An electrician is opening a cupboard in the living room.

How it works. `WORDS` holds word classes and `RULES` holds templates. `VERB_PATTERNS` holds verbs
with the objects and places that fit them. A template is expanded into a tree, and the tree is
rendered. For about every third sentence one node of its tree is then drawn again, or an active
clause becomes passive. The result is a near neighbour: the sentence changes in one slot.

In a template:

    {dog}           one of the class or rule
    {dog:a}         with an article and perhaps an adjective; {dog:s} several, {dog:o} either,
                    {dog:p} the bare plural, {dog:t} with "the"
    [a/b]           one of these
    <buy/sell:ing>  a verb to inflect
    #2-9            a number
    ^m ^f ^n ^p ^q  the subject is he, she, it, they, or they but not people
    @is @was @has   and @does @poss @self @he @him @who, like the verbs that follow, agree with it
    @ois            agrees with the object

Articles are written "a" and become "an" in the end.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

WORDS = """
= man: man, man, man, guy, gentleman, young man, old man, elderly man, bearded man, bald man, fellow, father, grandfather, teenage boy,
 tall man
= woman: woman, woman, woman, lady, young woman, old woman, elderly woman, mother, grandmother, blonde woman, teenage girl, pregnant woman
= boy: boy, little boy, small boy, young boy, schoolboy
= girl: girl, little girl, small girl, young girl, schoolgirl
= kid: child, kid, toddler, student, pupil
= people: men, women, boys, girls, people, children, kids, teenagers, friends, tourists, students, young men, old women, ladies, guys,
 strangers, hikers, musicians, dancers, workers, neighbours, adults
= group: a couple, a crowd of people, a group of friends, a group of children, a family, a team of workers, a class of students,
 a bunch of kids, a pair of tourists, a group of men, a group of women
= prof: optician, surgeon, midwife, paramedic, detective, astronomer, translator, accountant, florist, jeweller, goldsmith, beekeeper,
 diver, acrobat, juggler, violinist, drummer, guitarist, singer, ballerina, boxer, wrestler, gymnast, skier, swimmer, surfer, golfer,
 goalkeeper, cowboy, hunter, lumberjack, nun, rabbi, beggar, backpacker, commuter, pedestrian, bride, prince, king, librarian, secretary,
 bartender, stewardess, conductor, ranger, inspector, cobbler, weaver, knight, pirate, hairdresser, courier, programmer, biologist,
 chemist, chef, cook, doctor, nurse, teacher, farmer, carpenter, plumber, electrician, mechanic, painter, soldier, police officer,
 firefighter, waiter, baker, butcher, barber, tailor, gardener, musician, dancer, magician, clown, photographer, journalist, lawyer,
 judge, scientist, engineer, architect, cashier, postman, pilot, sailor, fisherman, lifeguard, referee, coach, athlete, cyclist, jogger,
 monk, priest, businessman, shopkeeper, street vendor, janitor, dentist, pharmacist, veterinarian, welder, blacksmith, potter, sculptor,
 shepherd, miner
= trade: carpenter, plumber, electrician, mechanic, painter, farmer, gardener, worker, builder, labourer, soldier, welder, blacksmith,
 craftsman, roofer, bricklayer, handyman, engineer, fisherman, villager, volunteer, apprentice
= name_m: Tom, Daniel, Ahmed, Lucas, Peter, Marco, Kenji, David, Samuel, Omar, Ivan, Carlos, Henry, Felix, Oscar, Noah, Victor, Paul
= name_f: Anna, Maria, Fatima, Julia, Sarah, Mei, Nina, Clara, Elena, Alice, Priya, Laura, Emma, Sofia, Rosa, Hannah, Grace, Olga
= relative_m: brother, uncle, cousin, grandfather, father, husband, neighbour, boss, roommate, son, nephew, landlord, dentist, best friend
= relative_f: sister, aunt, cousin, grandmother, mother, wife, neighbour, boss, roommate, daughter, niece, landlady, doctor, teacher
= veg: parsnip, shallot, spring onion, bell pepper, fennel bulb, garlic clove, broccoli floret, pickle, gherkin, corn cob, yam, lettuce,
 onion, carrot, potato, tomato, cucumber, pepper, eggplant, zucchini, cabbage, leek, radish, turnip, beetroot, mushroom, pumpkin, squash,
 sweet potato, cauliflower, chilli, celery stalk, courgette, artichoke
= fruit: apple, banana, orange, lemon, lime, pear, peach, plum, mango, pineapple, melon, watermelon, kiwi, papaya, strawberry, avocado,
 grapefruit, coconut, apricot, fig, pomegranate, cherry, tangerine
= meat: beef, pork, chicken, lamb, bacon, ham, salmon, tuna, tofu, turkey, fish, steak, shrimp, sausage meat, duck, cod
= dish: quiche, paella, risotto, fried egg, spring roll, toasted sandwich, baked potato, fish finger, chicken wing, slice of pizza,
 falafel, sushi roll, plate of spaghetti, bowl of cereal, piece of toast, pizza, sandwich, burger, hot dog, omelette, salad, pancake,
 burrito, taco, pie, bowl of soup, plate of pasta, bowl of rice, bowl of noodles, curry, stew, lasagne, waffle, bagel, croissant, wrap,
 kebab, casserole, meatball, dumpling
= dessert: cake, cookie, muffin, cupcake, doughnut, brownie, ice cream cone, pudding, tart, cheesecake, biscuit, chocolate bar, lollipop
= drink: coffee, tea, water, juice, milk, beer, wine, lemonade, cola, hot chocolate, orange juice, whisky, cider, champagne, soda,
 herbal tea
= powder: flour, sugar, salt, pepper, cinnamon, rice, oats, cocoa, paprika, grated cheese, breadcrumbs, lentils
= liquid: milk, water, oil, cream, vinegar, honey, soy sauce, syrup, melted butter, broth, batter, tomato sauce
= spread: butter, jam, peanut butter, honey, mustard, mayonnaise, cream cheese, marmalade
= mix: eggs, batter, soup, sauce, dough, porridge, salad, paint, cement, coffee
= vessel: bowl, pot, pan, glass, cup, mug, jug, jar, bucket, bottle, blender, saucepan, measuring cup, wok
= ware: plate, bowl, fork, spoon, knife, pan, tray, ladle, spatula, teapot, kettle, saucer, pitcher, colander, cutting board, rolling pin
= colour: red, blue, green, yellow, white, black, brown, grey, orange, purple, pink, dark blue, light green, beige, turquoise, maroon,
 striped
= clothes: shirt, jacket, hat, coat, sweater, cap, dress, helmet, scarf, hoodie, T-shirt, suit, uniform, apron, vest, raincoat, jumper,
 costume, tracksuit, tie, cardigan, robe, headscarf, poncho, blazer, beanie
= clothes_p: shorts, jeans, sunglasses, gloves, boots, glasses, sandals, pyjamas, overalls, headphones, leggings, goggles, sneakers,
 trousers
= garment: shirt, skirt, dress, coat, sweater, blouse, blanket, scarf, pair of socks, pair of trousers, curtain, pillowcase, towel, kimono
= tool: hammer, saw, screwdriver, wrench, drill, axe, chisel, shovel, rake, ladder, crowbar, paintbrush, spanner, chainsaw, sander,
 pickaxe, file
= furniture: table, chair, sofa, couch, bed, desk, bench, stool, armchair, shelf, cupboard, wardrobe, bookcase, cabinet, dresser, cradle,
 rug
= fixable: bicycle, car, engine, roof, fence, clock, radio, washing machine, sink, tap, lamp, printer, computer, motorbike, boat, door,
 bridge, tractor
= device: phone, laptop, tablet, camera, television, radio, printer, keyboard, microphone, projector, calculator, smartwatch,
 game console, router
= appliance: oven, fridge, dishwasher, washing machine, dryer, toaster, microwave, vacuum cleaner, kettle, heater, fan, air conditioner,
 boiler, coffee maker, freezer, iron
= instrument: guitar, piano, violin, drum, flute, trumpet, cello, saxophone, harp, accordion, harmonica, banjo, clarinet, ukulele,
 trombone, keyboard, electric guitar, acoustic guitar, organ, bagpipe, xylophone, tuba, mandolin, oboe
= sport: football, soccer, basketball, tennis, volleyball, baseball, rugby, cricket, hockey, golf, badminton, table tennis, handball,
 softball, lacrosse
= game: chess, cards, checkers, hide-and-seek, dominoes, video games, poker, a board game, hopscotch, darts, bingo, pool, dice, tag,
 backgammon
= car: car, truck, van, bus, taxi, lorry, jeep, tractor, convertible, pickup truck, minivan, police car, ambulance, fire engine, race car,
 limousine
= bike: bicycle, bike, motorcycle, scooter, mountain bike, skateboard, unicycle, moped, tricycle, motorbike
= boat: boat, ship, canoe, kayak, sailboat, ferry, raft, yacht, rowing boat, fishing boat, speedboat, barge, gondola
= plane: plane, airplane, helicopter, glider, jet, hot air balloon, airliner, drone, seaplane, kite
= train: train, steam train, tram, freight train, subway train, locomotive, high-speed train, monorail
= dog: dog, puppy, terrier, greyhound, poodle, labrador, bulldog, sheepdog, husky, dachshund, beagle, collie, spaniel, dalmatian
= cat: cat, kitten, tabby cat, tomcat, Siamese cat
= mount: horse, pony, camel, donkey, elephant, mule, bull
= grazer: cow, sheep, goat, horse, donkey, deer, zebra, giraffe, buffalo, llama, antelope, moose, bison, calf, lamb, reindeer, ox, alpaca,
 gazelle
= bird: hummingbird, kingfisher, peacock, ostrich, turkey, hen, rooster, chick, cuckoo, nightingale, swallow, vulture, condor, canary,
 cockatoo, partridge, pheasant, quail, puffin, albatross, toucan, bird, duck, swan, seagull, pigeon, crow, owl, eagle, parrot, sparrow,
 robin, heron, stork, goose, pelican, woodpecker, hawk, magpie, blackbird, falcon, raven, finch, flamingo
= waterbird: duck, swan, goose, pelican, flamingo, otter, beaver, duckling, moorhen, turtle
= predator: lion, tiger, leopard, wolf, fox, bear, cheetah, lynx, jaguar, coyote, hyena, polar bear, cougar
= climber: monkey, squirrel, koala, panda, lizard, raccoon, chimpanzee, gorilla, sloth, lemur, gecko, orangutan, baboon
= small: rabbit, hamster, hedgehog, mouse, rat, guinea pig, ferret, chipmunk, mole, tortoise, frog, snail, toad, piglet
= sea: dolphin, whale, shark, seal, octopus, jellyfish, stingray, sea lion, penguin, walrus, manta ray, eel
= insect: bee, butterfly, dragonfly, wasp, moth, ladybug, bumblebee, hornet
= crawler: ant, beetle, spider, caterpillar, crab, scorpion, snake, centipede, lobster, worm
= toy: ball, stick, bone, frisbee, rope, stuffed toy, slipper, tennis ball, sock, balloon, plush toy, twig
= kidtoy: teddy bear, doll, toy car, toy train, puzzle, balloon, kite, drum, spinning top, stack of blocks, rocking horse, marble, yo-yo,
 puppet
= ball: ball, football, basketball, tennis ball, frisbee, baseball, rugby ball, volleyball, boomerang, snowball, javelin, dart
= flower: rose, tulip, daisy, lily, sunflower, orchid, violet, carnation, daffodil, poppy, geranium, marigold, peony, iris, dandelion
= tree: oak, pine tree, palm tree, birch, maple, willow, apple tree, cherry tree, cedar, elm, chestnut tree, beech, cactus, fir, poplar,
 olive tree
= plant: tree, flower, rose bush, fern, shrub, vine, tomato plant, potted plant, houseplant, hedge, sapling, cactus, basil plant
= building: bungalow, villa, farmhouse, chapel, shrine, pagoda, pyramid, fortress, bunker, observatory, prison, brewery, hospital, school,
 town hall, theatre, hotel, shopping centre, train station, water tower, treehouse, igloo, tent, pavilion, house, church, castle, tower,
 barn, temple, skyscraper, cottage, lighthouse, mosque, factory, warehouse, hut, cabin, cathedral, palace, windmill, apartment block,
 garage, shed, stadium, mansion, monastery, greenhouse
= reading: book, newspaper, magazine, letter, map, novel, menu, comic, poem, manual, report, textbook, leaflet, bedtime story, recipe,
 diary
= writable: letter, note, poem, message, list, diary entry, postcard, essay, report, speech, song, story, formula, sign
= art: waterfall, sailing boat, skyline, skeleton, mermaid, unicorn, spiral, triangle, rainbow, spaceship, robot, mask, elephant, tiger,
 self-portrait, fruit bowl, fresco, caricature, heart, star, snowflake, lighthouse, picture, portrait, landscape, cartoon, flower, face,
 tree, house, dragon, circle, mural, horse, sketch, still life, butterfly, mountain
= container: jewellery box, toolbox, lunchbox, rucksack, sack of potatoes, shopping basket, wicker basket, wheelie bin, laundry basket,
 cool box, violin case, hatbox, milk churn, keg, carton, duffel bag, box, suitcase, bag, basket, crate, backpack, briefcase, parcel,
 bucket, barrel, sack, trunk, handbag, package, envelope, cooler
= openable: door, window, box, can, jar, bottle, gate, drawer, umbrella, suitcase, envelope, parcel, present, laptop, package, cupboard,
 tin
= washable: kettle, staircase, windscreen, aquarium, countertop, shower, toilet, tray, barbecue, saddle, pavement, tile, chandelier, car,
 dish, window, shirt, floor, plate, bathtub, mirror, bicycle, carpet, pan, sink, table, stove, blackboard, fridge
= holdable: kite, lollipop, broom, hose, violin, saxophone, teddy bear, balloon, key, hammer, bucket, telescope, shield, skateboard,
 surfboard, hockey stick, tennis racket, bat, golf club, whip, shopping bag, basket of fruit, loaf of bread, bouquet, gift, pumpkin,
 parrot, rabbit, banner, placard, cigarette, cigar, pipe, microphone, flag, umbrella, candle, trophy, sign, camera, phone, cup of coffee,
 bunch of flowers, torch, fishing rod, baby, sword, guitar, newspaper, bottle of water, lantern, snake, cat, puppy, rifle, bow and arrow,
 glass of wine, plate of food, map, walking stick
= sight: mountains, sunset, ocean, parade, fireworks, fish, statue, painting, view, waterfall, stars, moon, traffic, city lights, harbour,
 rainbow
= event: carnival, rehearsal, recital, auction, debate, opera, ballet, fencing bout, rodeo, fireworks display, marathon, regatta,
 demonstration, graduation, christening, baseball game, boxing match, horse race, poetry reading, street performance, talent show,
 magic show, tournament, concert, parade, wedding, match, play, film, ceremony, race, funeral, lecture, speech, puppet show, fashion show,
 festival, circus, exhibition
= bodypart: arm, leg, knee, ankle, shoulder, wrist, elbow, foot, finger, back, neck, thumb, toe, hip, rib, jaw, nose, chest, heel
= landform: mountain, hill, cliff, dune, rock, slope, volcano, ridge, boulder, glacier
= water: lake, river, pond, stream, pool, canal, bay, lagoon, sea, harbour, swamp, waterfall, fountain, reservoir
= country: France, Spain, Italy, Germany, Portugal, Greece, Poland, Sweden, Norway, Finland, Denmark, Iceland, Ireland, Britain, Scotland,
 Wales, Belgium, Austria, Switzerland, Hungary, Romania, Bulgaria, Serbia, Croatia, Slovenia, Slovakia, Albania, Ukraine, Russia, Belarus,
 Lithuania, Latvia, Estonia, Turkey, Cyprus, Malta, Egypt, Libya, Tunisia, Algeria, Morocco, Sudan, Ethiopia, Kenya, Uganda, Tanzania,
 Rwanda, Nigeria, Ghana, Senegal, Mali, Cameroon, Angola, Zambia, Zimbabwe, Namibia, Botswana, South Africa, Israel, Lebanon, Syria,
 Jordan, Iraq, Iran, Saudi Arabia, Yemen, Qatar, India, Pakistan, Bangladesh, Nepal, Sri Lanka, Afghanistan, China, Japan, South Korea,
 North Korea, Mongolia, Vietnam, Thailand, Laos, Cambodia, Malaysia, Singapore, Indonesia, Australia, New Zealand, Canada, Mexico, Cuba,
 Haiti, Jamaica, Panama, Colombia, Venezuela, Ecuador, Peru, Bolivia, Brazil, Chile, Argentina, Uruguay, Paraguay, Guatemala, Honduras,
 Kazakhstan, Georgia, Armenia
= nation: French, Spanish, Italian, German, Portuguese, Greek, Polish, Swedish, Norwegian, Finnish, Danish, Irish, British, Belgian,
 Austrian, Swiss, Hungarian, Romanian, Serbian, Croatian, Ukrainian, Russian, Turkish, Egyptian, Tunisian, Moroccan, Kenyan, Nigerian,
 Israeli, Lebanese, Syrian, Iraqi, Iranian, Saudi, Indian, Pakistani, Chinese, Japanese, Korean, Vietnamese, Thai, Indonesian, Australian,
 Canadian, Mexican, Cuban, Colombian, Peruvian, Brazilian, Chilean, Argentine, American, Dutch, Scottish
= city: London, Paris, Berlin, Madrid, Rome, Lisbon, Athens, Vienna, Prague, Warsaw, Budapest, Dublin, Oslo, Stockholm, Helsinki,
 Copenhagen, Brussels, Amsterdam, Zurich, Geneva, Milan, Naples, Barcelona, Seville, Marseille, Lyon, Munich, Hamburg, Cologne,
 Manchester, Liverpool, Glasgow, Edinburgh, Cardiff, Belfast, Kyiv, Moscow, Minsk, Riga, Vilnius, Tallinn, Sofia, Bucharest, Belgrade,
 Zagreb, Sarajevo, Istanbul, Ankara, Cairo, Tunis, Algiers, Casablanca, Lagos, Accra, Nairobi, Kampala, Addis Ababa, Khartoum,
 Johannesburg, Cape Town, Harare, Dakar, Jerusalem, Beirut, Damascus, Amman, Baghdad, Tehran, Riyadh, Dubai, Doha, Kabul, Karachi, Lahore,
 Delhi, Mumbai, Kolkata, Chennai, Dhaka, Kathmandu, Colombo, Bangkok, Hanoi, Manila, Jakarta, Kuala Lumpur, Hong Kong, Shanghai, Beijing,
 Seoul, Tokyo, Osaka, Kyoto, Sydney, Melbourne, Brisbane, Auckland, Wellington, Toronto, Montreal, Vancouver, Boston, Chicago, Houston,
 Seattle, Denver, Dallas, Miami, Havana, Bogota, Lima, Santiago, Quito, Caracas, Sao Paulo, Buenos Aires
= region: northern, southern, eastern, western, central, coastal, rural
= politician: minister, prime minister, president, opposition leader, finance minister, foreign minister, senator, mayor, governor,
 health minister, defence minister, ambassador, party chairman, former president, interior minister, chancellor
= body: parliament, senate, court, government, central bank, city council, cabinet, commission, supreme court, tribunal, regulator,
 opposition
= policy: ceasefire deal, asylum law, tobacco tax, carbon tax, water treaty, extradition treaty, welfare cut, bank bailout, arms embargo,
 rent cap, pension freeze, citizenship law, whaling ban, vaccine mandate, spending cut, constitution change, coalition deal, oil embargo,
 budget, pension reform, tax cut, trade deal, climate law, ceasefire, peace plan, immigration bill, nuclear deal, housing plan,
 sanctions bill, gun law, minimum wage, election date, school reform, smoking ban, rescue package, fishing quota, privacy law,
 border agreement, curfew
= scandal: donations scandal, wiretap affair, visa scandal, forged diploma, drunken remarks, secret recordings, hospital scandal,
 lottery fraud, procurement scandal, offshore accounts, embezzlement charges, budget row, bribery claims, leaked emails, tax affair,
 expenses scandal, corruption probe, plagiarism charges, spying scandal, harassment claims
= firm: cement maker, hotel chain, pharmacy chain, satellite operator, telecom giant, mining company, dairy group, shipyard, tyre maker,
 truck maker, coffee chain, web retailer, paper mill, defence contractor, furniture maker, cruise line, carmaker, airline, oil company,
 phone maker, bank, supermarket chain, steelmaker, drug maker, chipmaker, insurer, brewery, software firm, shipping group, retailer,
 film studio, toymaker, railway operator, energy giant, newspaper group, fashion house, games publisher
= market: oil, gold, wheat, copper, gas, coffee, silver, sugar, cotton, housing, corn, rubber, cocoa, electricity
= currency: euro, dollar, yen, pound, rouble, peso, rupee, franc, yuan, krona, lira
= disaster: storm, earthquake, flood, landslide, wildfire, hurricane, tornado, blizzard, typhoon, avalanche, explosion, heatwave, cyclone,
 mudslide
= accident: bus crash, train derailment, plane crash, factory fire, ferry accident, mine collapse, bridge collapse, gas leak, hotel fire,
 car bomb, helicopter crash, stampede, suicide bombing, roadside bomb, boat capsizing, apartment fire, shooting
= crime: murder, fraud, robbery, bribery, arson, smuggling, kidnapping, espionage, tax evasion, assault, theft, money laundering, perjury,
 blackmail
= criminal: hacker, burglar, former banker, drug dealer, smuggler, bank robber, football fan, ex-soldier, art thief, businessman,
 police officer, gang leader
= victim: worker, tourist, miner, soldier, student, villager, police officer, passenger, migrant, pilgrim, journalist, child, civilian,
 rebel, firefighter
= team: Rovers, Wanderers, Tigers, Eagles, Lions, Hornets, Sharks, United, Athletic, Bulldogs, Falcons, Wolves, Rangers, Dynamo, Pirates,
 Knights, Bears
= tournament: cup final, championship, league opener, world title, derby, semi-final, quarter-final, playoff, friendly, qualifier,
 grand prix, marathon
= surname: Halvorsen, Brandt, Okoro, Petrov, Lindqvist, Moreau, Castellan, Tanaka, Rahman, Delgado, Novak, Whitcombe, Ferraro, Mbeki,
 Kowal, Sandberg, Ortega, Hayashi, Demir, Ashworth, Vance, Larkin, Mercer, Dunmore, Aldous, Quigley, Bianchi, Nakamura, Sorensen, Varga
= celebrity: conductor, sculptor, choreographer, talk show host, TV presenter, violinist, supermodel, racing driver, chef, poet,
 playwright, screenwriter, magician, golfer, sprinter, quarterback, mountaineer, actor, singer, film director, novelist, rapper, comedian,
 tennis star, pop star, fashion designer, astronaut, chess champion, goalkeeper
= science: glacier, meteorite, parasite, galaxy, supernova, neutron star, pyramid, mosaic, cave painting, Viking ship, Roman villa,
 coral reef, whale species, orchid, enzyme, bacterium, moon, volcano, skeleton, manuscript, particle, stem cell, crater, comet, planet,
 virus, fossil, vaccine, gene, shipwreck, tomb, black hole, ancient city, dinosaur, beetle species, mammoth, asteroid
= epidemic: flu, measles, malaria, cholera, Ebola, dengue fever, mumps, polio, typhoid, tuberculosis, meningitis, hepatitis
= illness: diabetes, asthma, cancer, pneumonia, migraine, hay fever, depression, insomnia, high blood pressure, anaemia, eczema,
 arthritis, back pain
= worker_p: teachers, nurses, pilots, doctors, miners, dockers, farmers, train drivers, postal workers, bus drivers, police, taxi drivers,
 lecturers, firefighters, steelworkers, cleaners, fishermen, judges, baggage handlers
= stain: mustard, beetroot, soy sauce, tomato sauce, nail polish, sweat, egg yolk, turmeric, tar, shoe polish, berry, vomit, marker,
 deodorant, foundation, pollen, coffee, red wine, ink, grass, blood, ketchup, chocolate, oil, rust, candle wax, chewing gum, mud,
 lipstick, curry, paint, glue
= fabric: wool carpet, cotton shirt, silk blouse, leather sofa, linen tablecloth, denim jacket, suede shoe, white rug, mattress,
 velvet curtain, school uniform, car seat, cashmere sweater, polyester jacket, canvas bag
= pest: ants, mice, moths, mosquitoes, fruit flies, wasps, slugs, cockroaches, bedbugs, fleas, rats, spiders, pigeons, aphids, woodlice
= skill: cooking, drawing, swimming, photography, chess, typing, knitting, dancing, public speaking, maths, programming, singing, skiing,
 sewing, meditation, woodworking, carpentry, pottery, gardening, calligraphy, juggling, archery, fencing, origami, yoga
= language: French, Spanish, Italian, German, Japanese, Mandarin, Arabic, Russian, Portuguese, Korean, Turkish, Swedish, Hindi, Greek,
 Polish, Latin
= schoolsubject: astronomy, anthropology, sociology, linguistics, engineering, accounting, theology, archaeology, botany, zoology,
 geology, journalism, architecture, nursing, marketing, genetics, calculus, geometry, ecology, robotics, history, biology, chemistry,
 physics, geography, economics, philosophy, law, medicine, algebra, psychology, literature, statistics
= symptom: burn, bruise, sunburn, insect bite, splinter, cramp, sore muscle, dry cough, stuffy nose, hangover, itchy scalp,
 sprained wrist, mouth ulcer, ingrown toenail, stye, wart, bee sting, black eye, bloated stomach, cough, headache, sore throat, rash,
 fever, toothache, stomach ache, nosebleed, runny nose, earache, swollen ankle, blister, stiff neck
= remedy: honey, ginger tea, ice, rest, warm water, painkillers, a cold compress, fresh air, more sleep, a hot bath, plenty of water,
 stretching
= document: passport, visa, driving licence, birth certificate, tax return, contract, insurance policy, rental agreement, invoice, permit,
 will
= lodging: hotel, hostel, flat, apartment, guesthouse, cabin, motel, holiday cottage, campsite, resort, villa, inn
= venue: restaurant, cafe, pub, bakery, cinema, theatre, museum, gym, library, bookshop, supermarket, hairdresser, pharmacy, nightclub,
 zoo, market
= feel: happy, sad, angry, nervous, proud, bored, tired, lonely, surprised, jealous, embarrassed, grateful, disappointed, excited,
 worried, relieved, confused, calm, frightened, curious, ashamed, hopeful, homesick, annoyed, exhausted, cheerful, upset, guilty,
 impatient, furious
= feel_good: happy, proud, relieved, excited, cheerful, grateful, hopeful, delighted, thrilled
= feel_bad: sad, angry, nervous, disappointed, worried, upset, furious, annoyed, miserable, heartbroken, frustrated
= goodadj: good, great, excellent, wonderful, superb, pleasant, charming, fantastic, lovely, decent, brilliant, delightful, outstanding,
 impressive
= badadj: bad, awful, terrible, disappointing, mediocre, dreadful, poor, boring, forgettable, lousy, dull, horrible, unpleasant
= media: film, movie, book, novel, series, documentary, album, concert, play, musical, podcast, exhibition, comedy, thriller, game,
 biography, sequel
= mediapart: choreography, narration, cinematography, character development, title song, twist, love story,
 first chapter, final scene, stage design, editing, lead actor, villain, chorus, ending, plot, acting, soundtrack, dialogue, opening,
 writing, story, pacing, humour, cast, second half, music, middle part
= gadget: phone, laptop, vacuum cleaner, blender, watch, camera, printer, razor, desk lamp, toaster, keyboard, hairdryer, drill, speaker,
 kettle
= gadgetpart: battery, screen, button, cable, switch, charger, plug, display, power cord, motor
= gear: backpack, tent, jacket, suitcase, sleeping bag, umbrella, stroller, handbag, raincoat, rucksack, camping chair, baby carrier,
 gym bag
= gearpart: strap, handle, zip, seam, lining, cover, buckle, pocket, fabric, stitching
= lost: keys, wallet, glasses, passport, phone, umbrella, ticket, ring, gloves, notebook, password, purse, earring, bus pass, scarf,
 suitcase
= transport: train, bus, coach, night train, express train, night bus, shuttle bus
= delay: snow, fog, a strike, a broken signal, engine trouble, a fallen tree, heavy traffic, an accident, a power cut, ice on the road,
 a flat tyre, a missing driver, flooding, a bomb scare, strong wind, roadworks, a sick passenger, a staff shortage
= habit: gossip, jogging, fasting, gambling, chewing gum, caffeine, perfume, cold weather, loneliness, yoga, singing, dancing,
 dark chocolate, red meat, garlic, olive oil, green tea, night work, video games, television, air pollution, vitamin D, stretching,
 laughter, gardening, smoking, exercise, sugar, stress, sleep, coffee, reading, alcohol, fast food, meditation, social media, walking,
 breakfast, noise, sunlight
= effect: health, memory, concentration, mood, sleep, digestion, blood pressure, heart health, the skin, the immune system, productivity,
 appetite, eyesight, self-confidence, fertility
= abstract: justice, equality, truth, hope, faith, humility, modesty, generosity, creativity, intelligence, intuition, knowledge,
 progress, security, peace, solidarity, independence, responsibility, fairness, forgiveness, gratitude, respect, reputation, perseverance,
 imagination, nature, leisure, politeness, humour, sincerity, money, freedom, honesty, patience, experience, talent, luck, friendship,
 kindness, courage, success, fame, love, trust, education, health, happiness, beauty, curiosity, discipline, loyalty, wisdom, silence,
 power, comfort, privacy, tradition, ambition
= pet: dog, cat, hamster, parrot, rabbit, goldfish, budgie, guinea pig, tortoise, ferret
= bigpet: dog, cat, puppy, kitten, rabbit, parrot, terrier, pet pig, labrador
= month: January, February, March, April, May, June, July, August, September, October, November, December
= day: Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday
= room: kitchen, bedroom, bathroom, living room, hallway, attic, basement, garage, study, dining room, cellar, corridor, nursery, balcony
= chore: polish the silver, clean the gutters, rake the leaves, shovel the snow, weed the flower beds, wash the curtains,
 scrub the bathtub, chop the firewood, unload the dishwasher, sort the recycling, clear the table, set the table, peel the potatoes,
 change the light bulb, wipe the counter, descale the kettle, sew the buttons, air the mattress, beat the carpet, pack the suitcases,
 trim the hedge, lock the door, charge the batteries, answer the letters, water the lawn, do the dishes, mow the lawn,
 take out the rubbish, water the plants, feed the cat, walk the dog, clean the oven, make the beds, fold the laundry, sweep the yard,
 iron the shirts, vacuum the stairs, pay the bills, cook dinner, change the sheets, defrost the freezer, empty the bins, dust the shelves
= goal: overcome shyness, quit gambling, lower my cholesterol, gain muscle, improve my posture, read more books, become a nurse,
 get a mortgage, pay off debts, stop procrastinating, fall asleep on a plane, stop biting my nails, run a marathon, find a flat,
 adopt a child, move abroad, apologise to a friend, impress an employer, negotiate a salary, fight boredom, stop snoring, cure hiccups,
 remove a tattoo, avoid jet lag, prevent sunburn, lose weight, save money, sleep better, get fit, find a job, make friends, stay awake,
 stop smoking, reduce stress, pass the exam, grow taller, concentrate, wake up early, remember names, eat less meat, meet new people,
 learn faster, become a pilot, write a novel, start a business
= weatheradj: sunny, cloudy, rainy, windy, foggy, stormy, snowy, humid, freezing, chilly, mild, hot, misty, drizzly, icy
= cookable: barley, couscous, artichokes, crab, octopus, a goose, a leg of lamb, chickpeas, oatmeal, spinach, Brussels sprouts,
 green beans, corn on the cob, beetroot, chestnuts, ribs, meatballs, dumplings, a duck, rice, pasta, lentils, eggs, salmon, a steak,
 beans, chicken breast, quinoa, asparagus, lobster, a pumpkin, sweet potatoes, mussels, polenta
= homejob: replace a broken window, clean a chimney, waterproof a tent, restring a guitar, remove rust from a pan, frame a picture,
 grow mushrooms, keep bees, brew beer, make cheese, pickle cucumbers, ferment cabbage, dye a shirt, knit a scarf, upholster a chair,
 lay bricks, mix concrete, install a shower, wire a plug, calibrate a thermostat, jump-start a car, patch a bicycle tube, wax skis,
 whiten grout, unfreeze a lock, silence a squeaky door, pluck a chicken, fillet a trout, poach an egg, temper chocolate, whip cream,
 carve a turkey, dry herbs, transplant a rose bush, compost kitchen waste, train a puppy, trim a beard, tie a bow tie,
 shine leather shoes, back up a laptop, reset a router, scan old photographs, clean a laptop screen, paint a ceiling, fix a dripping tap,
 hang a mirror, unblock a sink, tile a bathroom, insulate an attic, sharpen a knife, patch a hole in the wall, bleed a radiator,
 replace a light bulb, assemble a wardrobe, sand a wooden floor, repair a zip, descale a kettle, change a tyre, clean an oven,
 prune an apple tree, plant garlic, build a bookshelf, remove old wallpaper, lay a carpet, hem a pair of trousers, grow basil indoors,
 bake bread
= shopitem: necklace, bracelet, wristwatch, perfume bottle, raincoat, tablecloth, vase, candlestick, chandelier, mirror, pillow, duvet,
 towel, doormat, calendar, dictionary, globe, atlas, jigsaw, chessboard, telescope, microscope, thermometer, stapler, corkscrew,
 tin opener, ironing board, clothes rack, hammock, barbecue, lawnmower, wheelbarrow, garden hose, flowerpot, aquarium, birdcage, leash,
 saddle, snowboard, surfboard, wetsuit, dumbbell, punching bag, treadmill, helmet, bicycle lock, roof rack, umbrella, winter coat,
 bunch of flowers, birthday present, second-hand bike, pair of shoes, new lamp, toothbrush, bag of apples, loaf of bread, frying pan, map,
 phone charger, notebook, wedding dress, bottle of wine, cookbook, goldfish, teapot, wool hat, box of chocolates, rug, hammer,
 lottery ticket
= hobbyverb: swim, dance, sing, run, paint, ski, cook, read, knit, travel, hike, sew, sail, write, garden, cycle, draw, fish, camp, skate,
 juggle
= time_past: yesterday, last night, this morning, last week, two days ago, on Monday, last summer, an hour ago, on Sunday, last month,
 in the spring, a year ago
= numword: two, three, four, five, six, several, a few, many
= taste_good: delicious, fresh, tasty, superb, excellent, perfectly cooked, full of flavour, very good, wonderful
= taste_bad: cold, salty, bland, burnt, overcooked, greasy, undercooked, sour, dry, stale, too sweet, watery, tasteless, too spicy
= menu: soup, steak, salad, fish, dessert, bread, coffee, pasta, rice, chicken, curry, sauce, lamb, pizza, cake, omelette, breakfast,
 risotto
"""

ADJECTIVES = """
dog cat: brown, black, white, small, large, spotted, wet, tan, fluffy, old, black and white, muddy, skinny, furry, golden, grey
mount grazer: brown, white, black, young, old, large, spotted, lone, thin, shaggy
bird waterbird: small, large, white, black, colourful, grey, young, wild, yellow, tiny
predator climber small sea: young, large, small, adult, brown, wild, grey, sleepy, hungry
insect crawler: small, yellow, black, large, tiny, colourful, red, striped
veg fruit: ripe, large, small, fresh, peeled, raw, frozen, organic
dish dessert: large, small, delicious, homemade, big, fresh, tasty
car bike train boat plane: red, old, yellow, white, blue, black, large, small, silver, green, rusty, modern, vintage
furniture: wooden, old, small, white, large, heavy, antique, round, plastic, comfortable, brown, dusty
building: old, tall, white, stone, wooden, red, small, modern, huge, brick
toy kidtoy ball: red, small, yellow, blue, green, large, orange, plastic, striped, rubber
ware vessel: large, small, metal, plastic, white, empty, clean, wooden, glass
flower: red, white, pink, yellow, wilted, beautiful, small
tree plant: tall, small, young, old, large, dry, leafy
holdable: big, white, black, red, old, green, blue, shiny
openable container: large, small, white, black, red, old, green, wooden, blue, heavy, plastic
instrument: old, wooden, small, large, black, white, expensive, shiny
fixable washable: old, dirty, broken, small, rusty, large, new, white
clothes clothes_p garment: red, blue, green, yellow, white, black, brown, grey, orange, purple, pink, dark, striped, leather, woollen, \
checked, flowery
tool device reading writable art: old, small, large, new, long, heavy, colourful
landform water: steep, rocky, snowy, large, small, deep, frozen, calm
"""

RULES = """
= subject
^m a {man}
^f a {woman}
^m a {boy}
^f a {girl}
^m a [man/guy/boy/young man/gentleman] in {clothes:a}
^f a [woman/girl/lady/young woman] in {clothes:a}
^m a [man/boy] wearing {clothes:a}
^f a [woman/girl] wearing {clothes:a}
^m a man wearing {clothes_p:p}
^f a woman wearing {clothes_p:p}
^m a {prof}
^f a {prof}
^m a {prof} with [a moustache/a beard/a tattoo/grey hair/glasses/a big smile]
^f a [woman/girl] with [long hair/curly hair/a ponytail/red hair/braids/glasses/an umbrella/a backpack]
^p {numword} {people}
^p [the/two/some/three/a lot of] {people}
^p {group}
^p {numword} {people} in {clothes:p}
^p a [man/boy/father] and a [woman/girl/child]
^m someone
^m a person
= plain
^m a {man}
^f a {woman}
^m a {boy}
^f a {girl}
^m a {prof}
= child
^m a {boy}
^f a {girl}
^m a {kid}
^f a {kid}
^p {numword} [boys/girls/children/kids/toddlers]
^m a boy in {clothes:a}
^f a girl in {clothes:a}
= adult
^m a {man}
^f a {woman}
^m a {trade}
^m a {trade}
^m a man in {clothes:a}
^f a woman in {clothes:a}
^p {numword} [men/women/people/adults/workers]
= dogs
^n {dog:a}
^n {dog:a}
^q {dog:s}
^p a dog and a [cat/puppy/boy/girl]
= cats
^n {cat:a}
^n {cat:a}
^q {cat:s}
= grazers
^n {grazer:a}
^q {grazer:s}
^p a herd of {grazer:p}
= birds
^n {bird:a}
^q {bird:s}
^p a flock of {bird:p}
= waterbirds
^n {waterbird:a}
^q {waterbird:s}
= hunters
^n {predator:a}
^q {predator:s}
= climbers
^n {climber:a}
^q {climber:s}
= smalls
^n {small:a}
^q {small:s}
= seas
^n {sea:a}
^q {sea:s}
= insects
^n {insect:a}
^q {insect:s}
= crawlers
^n {crawler:a}
^q {crawler:s}
= cars
^n {car:a}
^q {car:s}
= trains
^n {train:a}
^q {train:s}
= boats
^n {boat:a}
^q {boat:s}
= planes
^n {plane:a}
^q {plane:s}
= things
^n {furniture:a}
^n {ware:a}
^n {container:a}
^n {instrument:a}
^n {device:a}
^q {container:s}
^q {ware:s}
= kitchen
in the kitchen
on a wooden board
with a [sharp/long/small/blunt] knife
at the counter
for [dinner/lunch/a salad/a party]
in a restaurant kitchen
= eatplace
at a table
in a restaurant
on a bench
in the kitchen
at a picnic
in front of the television
outside a cafe
in bed
with {poss} friends
= cookplace
in a [pan/pot/wok/large pan/frying pan]
on the stove
over a fire
in the oven
on a grill
in the kitchen
= home
on the sofa
in the living room
in a {room}
at home
on the floor
by the window
next to a [lamp/fireplace/window/bookcase]
on the bed
= street
on the street
in the city
on the sidewalk
in front of {building:a}
at a bus stop
outside a [shop/station/school/bank/hotel]
in the rain
at night
on a busy street
next to {car:a}
near a market
= path
along [the beach/a path/a river/the road/a railway line/the shore]
down [the street/a hill/the stairs/a corridor/a narrow alley]
through [the woods/a park/a forest/the snow/a field/a tunnel/the desert/a village]
across [a bridge/the street/a field/a square/a stream/the parking lot]
past {building:a}
up [a hill/the stairs/a ramp/a steep path]
= field
in a [field/meadow/green field/pasture/valley/farmyard/garden/grassy field]
on [the grass/a hill/a farm/dry ground]
near [a fence/a river/a barn/a pond]
under {tree:a}
behind a fence
= park
in [the park/the garden/the yard/a playground/the backyard/a field]
on [the grass/the beach/the lawn/a playground]
near a fountain
under {tree:a}
= waterplace
in [the water/a lake/the sea/a river/a pond/the ocean/a pool/shallow water]
near [the shore/some rocks/a boat/the harbour]
= stage
on [stage/a stage/the street/a balcony]
in [a concert hall/a church/a band/a studio/front of a crowd/a park/a bar]
at [a wedding/a festival/a party/home]
= gym
in [a gym/a stadium/the park/a sports hall]
on [a field/a court/the beach/a mat]
at [school/a training camp/a competition]
= workshop
in [a workshop/a garage/a shed/the yard/a factory/the garden]
with [a hammer/gloves on/a power tool/great care/a friend]
at [a workbench/a building site]
= office
at [a desk/the office/school/a table/home]
in [a classroom/an office/a library/a meeting room/a notebook]
on [a bench/the train/a plane/a whiteboard/the floor]
= shop
in a [shop/market/supermarket/department store]
at a [market/flea market/stall/garage sale]
= outside
in the [garden/yard/park/driveway/street/sun]
on the [balcony/roof/porch/beach/lawn]
in front of {building:a}
at the side of the road
= poss
@poss
= when
in the morning
at night
at sunset
on a [sunny/rainy/cloudy/cold/windy/warm] day
in winter
in summer
during a storm
at dawn
at noon
= still
^n {furniture:a} <stand:s> in [an empty room/a living room/the corner/a garden/front of a window]
^n {car:a} @is parked [in front of {building:a}/on the street/next to {car:a}/under {tree:a}]
^n {bike:a} @is [leaning against a wall/lying on the ground/parked next to {tree:a}/chained to a fence]
{ware:a} and {ware:a} sit on a {colour} table
there is {ware:a} on [the table/the counter/a shelf/a tray]
there is {animal} [behind a fence/on the roof/next to {car:a}/in the grass/on a rock]
there are {flower:s} in [a vase/the garden/a glass jar/a pot]
{building:a} [on a hill/by {water:a}/near the sea/surrounded by trees/at night/covered in snow]
{dish:a} on a {colour} plate
{dish:a} and [a glass of/a cup of/some] {drink} on a table
{fruit:s} [in a basket/on a table/on a market stall/hanging from a branch]
a close-up of {animal} [looking at the camera/with its mouth open/in the grass/behind glass]
a [black and white/blurry/old/colour] photo of {thing} [on a street/near a river/by the sea/in a field/in front of a wall]
a {room} with {furniture:a}, {furniture:a} and {furniture:a}
a {room} with {colour} walls and {furniture:a}
a view of [a city/a village/a harbour/a valley/mountains] [from above/at night/in the fog/from a window]
{train:a} at [a station/a platform/a crossing]
a sign [on a door/next to the road/on a wall] says "[stop/no parking/closed/for sale/welcome/keep out/exit]"
= animal
{dog:a}
{cat:a}
{grazer:a}
{bird:a}
{predator:a}
{climber:a}
{small:a}
= thing
{animal}
{car:a}
{bike:a}
{boat:a}
{building:a}
{tree:a}
= caption
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{clause}
{still}
{still}
{still}
{subject} @is [standing/sitting/waiting/kneeling/sleeping/resting] [next to/behind/near/in front of] {thing}
{subject} @is looking at {animal} through [binoculars/a window/a fence/a camera]
{subject} in front of {building:a}
{plain} with {holdable:a} [and {clothes:a}/near {car:a}/in a {room}/on a bench/by a river/in a crowd]
{subject} @is not [eating/sleeping/running/dancing/reading/singing/driving/smiling/swimming/working/cooking]
{plain} who @is wearing {clothes:a} @is [talking to/laughing with/waving at/pointing at/smiling at/shouting at/listening to] a {prof}
{dog:a} and {plain} on [a beach/a sofa/a path/a lawn]
nobody is [riding {bike:a}/playing {sport}/eating {dish:a}/driving {car:a}/playing {instrument:t}/washing {washable:a}/slicing {veg:a}]
= place
{country}
{city}
{region} {country}
= headline
{disaster} leaves [thousands/hundreds/dozens/#2-90 people] [without power/homeless/stranded/missing/without water] in {place}
{disaster} [kills/injures] [at least #3-90/more than #3-90/#3-60/dozens] in {place}
at least #3-80 [dead/hurt/killed/injured/missing] in {place} {accident}
{accident} in {place} kills #2-60 {victim:p}
{numword} {victim:p} [killed/wounded/missing/rescued/trapped] after {accident} in {place}
{place} {accident}: [death toll rises to #3-90/rescuers search for #3-90 people/police question #2-20 people]
{nation} {politician} [resigns/quits/steps down/under pressure/apologises/denies wrongdoing/cleared] over {scandal}
{nation} {politician} [visits/arrives in/cancels trip to/heads to/holds talks in] {place}
{nation} {politician} [<reject/back/defend/criticise/sign/delay/unveil/block:s>] {policy}
{nation} {body} [<reject/approve/pass/debate/postpone/block/back:s>] {policy}
{country} and {country} [sign/agree/fail to agree on/close to/resume talks on/break off talks on] {policy}
{country} [<expel/recall/summon/welcome/detain:s>] {nation} [ambassador/diplomats/envoy/journalists/aid workers]
{country} accuses {country} of [spying/border violations/cyber attacks/illegal fishing/arming rebels/currency manipulation]
{country} <warn/criticise/threaten:s> {country} over [border clashes/spying/fishing rights/cyber attacks/missile tests/trade tariffs/\
water supplies]
{nation} {worker_p} [strike/walk out/protest/march/end strike/vote for strike] over [pay/pensions/working hours/job cuts/safety/new rules]
thousands [march/protest/rally] in {city} against {policy}
police [fire tear gas at/clash with/arrest #5-300/disperse] protesters in {city}
police arrest {criminal} over {place} {crime}
{nation} {criminal} [jailed for #2-30 years for/charged with/cleared of/arrested for/wanted for/admits] {crime}
{city} court [jails/frees/acquits/sentences] {criminal} in {crime} case
{nation} {firm} to [cut/create/axe/add] #200-9000 jobs [in {country}/in {city}/next year/by {month}/]
{nation} {firm} [posts record profit/reports #2-40% fall in sales/warns of losses/recalls thousands of products/files for bankruptcy/\
shares fall #2-30%]
{nation} {firm} [buys/sells stake in/in talks to buy/sues/merges with] {nation} {firm}
{market} prices [rise/fall/jump/drop/slip/edge up/hit #2-30-year high/hit #2-30-year low] [after {country} data/on supply fears/as \
demand weakens/amid {country} tensions/]
{nation} shares [close higher/end lower/rise #1-6%/fall #1-6%/flat] [after rate decision/in early trading/on bank worries/as {market} \
prices drop]
{currency} [falls/climbs/weakens/strengthens/slides] against {currency} [after {nation} vote/on inflation data/ahead of rate decision/]
{nation} inflation [rises/falls/slows/jumps] to #1-19% in {month}
{nation} unemployment [rises/falls/drops/climbs] to #3-24%, [highest/lowest] in #2-20 years
{city} {team} [beat/thrash/edge past/draw with/lose to/stun] {city} {team} #1-5-#0-4 [in {tournament}/to reach {tournament}/]
{city} {team} [sign/sell/drop/suspend/release] {nation} [striker/goalkeeper/defender/midfielder/coach]
{surname} [wins/misses/pulls out of/qualifies for/crashes out of] {nation} {tournament}
{nation} [swimmer/runner/skier/boxer/cyclist/gymnast] {surname} [wins gold/breaks world record/retires/fails drug test/takes silver/\
injured] [in {city}/at #19-38/]
{nation} {celebrity} {surname} [dies at #48-99/arrested in {city}/wins top prize/announces retirement/marries in {city}/sues newspaper]
scientists [find/discover/study/track] [new/rare/mysterious/possible] {science} [in {place}/off the coast of {country}/near {city}]
{country} reports #2-900 new cases of {epidemic}
{epidemic} outbreak [kills #2-90/spreads/under control/closes schools] in {place}
{country} [<hold/cancel/postpone/delay:s>] [elections/referendum/census/military drill/peace talks/school exams] [in {month}/after \
{disaster}/amid protests/]
{nation} [troops/rebels/forces/jets] [attack/capture/retake/withdraw from/shell/enter] [{city}/{nation} village/{nation} border town/\
airport]
{country} [launches/loses contact with/delays] [satellite/rocket/moon probe/weather satellite/warship]
{city} [airport/metro/zoo/museum/stadium/university/port/opera house] [reopens/closes/evacuated/to close] after [{disaster}/{accident}/\
strike/bomb threat/repairs]
{bigpet} [saves family from fire/found after #2-30 days/survives fall/travels #20-900 miles] in {place}
{nation} {politician}: '[we will not give up/no change to {policy}/talks have failed/there is no crisis/{policy} is dead/time is running \
out]'
= question
[how do I/how can I/what is the best way to/how should I] [remove/get rid of/clean off/get out] a {stain} stain [from/on] a {fabric}?
how can I [get rid of/keep away/deal with] {pest} in [my/the/our] {room}?
[how do I/how do you/what is the easiest way to/how long does it take to] {homejob}?
what do I need to {homejob}?
can I {homejob} [myself/without special tools/in winter/in a rented flat]?
how long should I [boil/cook/steam/roast/soak/keep] {cookable}?
can I [freeze/reheat/keep] [cooked/leftover/homemade] {menu} [overnight/for a week/in a jar/]?
what can I use instead of [{powder}/{spread}/{liquid}] [when baking/in a cake/in a sauce/]?
[what is the difference between/which is better,] [a {instrument} and/a {instrument} or] a {instrument}?
should I buy a {product} or [rent one/wait for the sales/repair the old one]?
is it [wise/safe/legal/hard/expensive] to [buy/sell/repair/rent] a [used/second-hand/cheap/new/broken] {product}?
why does my {appliance} [make a loud noise/smell of burning/leak water/turn off by itself/use so much power/take so long/not start]?
why is my {device} [so slow/so hot/not charging/not working/making a strange noise/blinking]?
my {device} [fell into water/will not turn on/keeps freezing/stopped working {time_past}]. what should I do?
why does my {bigpet} [sleep so much/bite me/hide under the {furniture}/scratch the {furniture}/refuse to eat]?
how often should I [feed/brush/weigh/bathe] my {pet}?
can a {pet} eat [{fruit:p}/{veg:p}/{cookable}]?
what should I do about a {symptom}?
would {remedy} help with a {symptom}?
how can I learn {skill} [at home/without a teacher/as an adult/quickly/in a month]?
is it possible to learn {language} in #2-18 months?
is {language} harder to learn than {language}?
what is the best way to {goal}?
how can I {goal} [without spending much/in a month/at my age/while working full time/before {month}]?
how do I [renew/replace/get/apply for/cancel] [a/my] {document} in {country}?
do I need a [visa/vaccination/licence/permit] to [visit/work in/drive in/study in] {country}?
what is the weather like in {city} in {month}?
how do I get from [the airport/the station] to [the centre/the old town/the harbour] of {city}?
how far is {city} from {city}?
can you recommend a [cheap/quiet/family-friendly/good/small] [{lodging}/{venue}] in {city}?
which {media} [made you cry/would you recommend/did you like most/should I start with/is overrated]?
you should [ask your landlord/read the contract/measure the room/check the price/wait a day] before you [paint the walls/buy a \
{furniture}/sign anything/move in].
you can [fix/avoid/treat] a {symptom} with {remedy}.
if your {appliance} [leaks/smells/does not start/makes a noise], [unplug it/call a technician/check the manual/clean the filter] first.
try [rubbing/soaking/treating] the {stain} stain with [cold water/vinegar/baking soda/lemon juice/soap/salt/alcohol], but test it on a \
hidden spot of the {fabric} first.
do not put the {fabric} in the [dryer/washing machine/sun/freezer]; it will [shrink/fade/be ruined/lose its shape].
I would not [buy/recommend/return/repair] [that/a cheap/a used] {product}, because it [breaks easily/is hard to repair/wears out fast/\
comes without a warranty].
you do not have to {chore} every [day/week/month].
it depends on [how much you want to spend/where you live/what you need it for/your budget], but a [used/new/simple] {product} is usually \
enough.
the answer is no: you cannot [claim/renew/get] a {document} [without proof of address/by phone/after {month}/on a {day}].
has anyone [tried/used/heard of] {remedy} for a {symptom}?
what time does the [first/last/next] {transport} [to/from] {city} leave on {day}?
is it rude to [tip the waiter/arrive late/refuse food/wear shoes indoors/talk on the phone/eat in the street] in {country}?
= one
^m {name_m}
^f {name_f}
^m my {relative_m}
^f my {relative_f}
= who
^m {name_m}
^f {name_f}
^m my {relative_m}
^f my {relative_f}
^m our [uncle/cousin/neighbour/boss/landlord/son/grandfather/postman/teacher]
^f our [aunt/cousin/neighbour/boss/landlady/daughter/grandmother/doctor/teacher]
^p my [parents/neighbours/colleagues/friends/cousins/children/grandparents]
= statement
the {menu} was {taste_bad} and the [waiter/waitress/bill] never came, so we [left early/complained/went home hungry/paid and left].
the {menu} was {taste_bad}, but the {menu} was {taste_good}.
the {menu} was {taste_good}, but the {menu} was {taste_bad}.
both the {menu} and the {menu} were [{taste_good}/{taste_bad}].
we ate at a [small/new/noisy/cosy/famous] {nation} restaurant in {city}. the {menu} was [{taste_good} and the {server} was [friendly/\
helpful/polite/quick]/{taste_bad} and the {server} was [rude/slow/unfriendly]].
the {lodging} [in {city}/near the beach/we booked/by the lake] was [clean/dirty/noisy/quiet/cheap/expensive/cosy/cold], and the [bed was \
hard/shower did not work/breakfast was included/view was {goodadj}/wifi kept failing/owner was {goodadj}/heating was broken].
I bought this {gadget} {time_past}, and the {gadgetpart} has already [broken/come loose/stopped working/failed].
I bought this {gear} {time_past}, and the {gearpart} has already [torn/come loose/worn out/come off].
this {product} is [light/heavy/sturdy/flimsy/cheap/expensive/quiet/noisy] and [easy/hard] to [clean/carry/use/store/repair].
I have had this {product} for #2-12 [years/months/weeks] and it [still works/has never let me down/looks like new/is falling apart].
the {media} was {goodadj}, but the {mediapart} was {badadj}.
the {media} was {badadj}, but the {mediapart} was {goodadj}.
the {media} was {goodadj}, and so was the {mediapart}.
I [loved/hated/enjoyed/did not understand/could not stand/liked] the {mediapart} of the {media}.
{who} [lost/forgot/found/dropped] @poss {lost} [on the {transport}/in the {venue}/at the station/in {city}] {time_past}.
{who} missed the {transport} to {city} because [the alarm did not ring/of {delay}/@he overslept/the taxi was late].
{one} broke @poss {bodypart} while [skiing/playing {sport}/climbing a ladder/moving {furniture:a}/riding {bike:a}].
{who} @was {feel_bad} because [@he had lost @poss {lost}/nobody had called/the {event} was cancelled/@he had failed the exam/the {pet} \
was ill].
{who} @was {feel_good} because [@he had found @poss {lost}/everybody had come/the {event} went well/@he had passed the exam/the {pet} \
was safe].
{who} @was too {feel_bad} to [sleep/eat/talk/answer/work/go out].
{who} <live/work/study:ed> in {city} for #2-20 years before moving to {city}.
{who} <move/travel/fly/return/drive:ed> to {place} {time_past}.
{who} <want/plan/hope/decide/refuse/promise:ed> to [learn {language}/buy a {product}/{goal}/study {schoolsubject}/visit {city}].
{who} <like/love/hate/enjoy/prefer/avoid:s> [<{hobbyverb}:ing>/{skill}] [in the evening/on weekends/with friends/alone/in winter].
{who} <buy/sell/find/lose:ed> {shopitem:a} [at the market/in {city}/{time_past}/on the way home].
{who} never <{chore}:s>, [but/so] I [do/don't mind/have to do everything/am used to it].
{who} forgot to {chore}, so [I did it/we had an argument/nothing was ready/@he @has to do it today].
could you please {chore} before [you leave/dinner/the guests arrive/noon]?
don't forget to {chore} [tomorrow/tonight/before you go/on {day}].
I can't find my {lost}, and I have [already/not] looked [in the {room}/under the {furniture}/in the car].
it was so {weatheradj} in {city} [{time_past}/that day/in {month}] that we stayed [indoors/outside/at the {lodging}].
it will be {weatheradj} in {place} on {day} but {weatheradj} on {day}.
let's meet at the {venue} at #2-11 o'clock on {day}.
we [spent/wasted/had] a {weatheradj} {day} at the {venue}, and the children were {feel}.
the {venue} [near my house/on the corner/next to the station] [opens/closes] at #6-11 on {day:p}.
the {venue} is closed on {day:p}.
on the way to {city} we [ran out of petrol/got lost/saw {animal}/stopped at a {venue}/had a flat tyre]. we arrived [at midnight/#2-6 \
hours late/just in time/tired and hungry].
my {bigpet} [ran away/got sick/hid under the {furniture}/ate my {lost}] {time_past}. [luckily, a neighbour helped/the vet could not help/\
now it is fine/I was really {feel_bad}].
{who} taught @self {skill} [from books/at the age of #8-60/during the winter/by watching videos].
{one} cut @self while [chopping {veg:p}/opening a tin/shaving/repairing {fixable:a}].
{who} @is afraid of [{pest}/flying/heights/the dark/{dog:p}/thunder/deep water/{prof:p}].
{who} <cook/bake/prepare/make:ed> {dish:a} for {anyone}, [but it was {taste_bad}/and it was {taste_good}].
{who} gave {anyone} {shopitem:a} for [Christmas/@poss birthday/the wedding/no reason].
{anyone} told me that the {event} [was cancelled/starts at #5-9/is sold out/was {goodorbad}/has been moved to {day}].
= anyone
my {relative_m}
my {relative_f}
{name_m}
{name_f}
a neighbour
our guests
= server
staff
owner
waiter
waitress
barman
= goodorbad
{goodadj}
{badadj}
= opinion
{habit} can [cause/prevent/relieve/worsen] {illness}, but [doctors disagree/it is rare/it does not cure it/the evidence is weak].
the {transport} was not late because of {delay} but because of {delay}.
the {transport} was #5-55 minutes late because of {delay}, not because of {delay}.
the {transport} to {city} was [cancelled/delayed/diverted] [due to/because of/despite/before] {delay}.
although it was {weatheradj}, the {transport} to {city} left on time.
{city} is [bigger/smaller/cheaper/warmer/colder/more expensive/less crowded/noisier/older] than {city}.
{city} is not as [big/cheap/warm/cold/expensive/crowded/noisy/clean/safe] as {city}.
{country} has [more/fewer] [inhabitants/lakes/mountains/islands/forests/tourists] than {country}.
[too much/a little/a lack of] {habit} is [good/bad/harmful/dangerous] for {effect}.
{habit} [affects/does not affect/improves/damages/hardly affects] {effect}.
there is [no/little/some/strong/clear] evidence that {habit} [affects/improves/harms] {effect}.
{abstract} is more important than {abstract}.
{abstract} is [nothing/worthless/impossible/dangerous] without {abstract}.
I think that {abstract} [matters more than/cannot replace/is less important than/leads to/has nothing to do with] {abstract}.
I don't think {abstract} can be [bought/taught/measured/forced] [like {abstract}/at all/in school/with money].
a {vehicleword} is [faster/slower/cheaper/safer/more dangerous/louder/more comfortable] than a {vehicleword}.
a {pet} needs [more/less] [space/attention/food/exercise/care] than a {pet}.
{pet:p} are [easier/harder] to look after than {pet:p}.
{language} is [easier/harder] than {language}, but it is [spoken by fewer people/more useful at work/not taught in our school/nicer to \
listen to].
about #2-9 out of ten people [like/dislike/avoid/prefer] {habit}.
about #5-95 percent of [students/drivers/parents/farmers/voters/patients/tourists/teachers] [say they/do not/no longer] [support the \
{policy}/trust the {body}/worry about {effect}].
prices for {market} have [risen/fallen/doubled/stayed the same] since {month} because [demand/supply/production] has [grown/dropped].
if you [want to/cannot] {goal}, [talk to a doctor/start small/don't give up/ask for help/make a plan].
people who [like/practise/study/teach] {skill} are often [more/less] [anxious/creative/cheerful/impatient/lonely/confident/\
grateful/nervous/curious] than people who do not.
I would rather {chore} than {chore}.
the {media} is not {badadj}, but it is not {goodadj} either.
the [film/novel/series/sequel/documentary/remake/first part] is [better/worse/funnier/darker/more exciting/less boring] than the [book/\
film/original/stage version/second part], mainly because of the {mediapart}.
contrary to what many people [think/say], [{fruit:p}/{veg:p}/{dessert:p}] are [not/very] [healthy/cheap/easy to digest/rich in vitamins].
{fruit:p} contain [more/less] [sugar/water/vitamin C/fibre/fat] than {veg:p}.
the [museum/library/bridge/tunnel/hospital/school/stadium] in {city} was [built/closed/opened/renovated/destroyed] in #1750-2019.
it takes [about/less than/more than] #2-14 hours to fly from {city} to {city}.
nobody [likes/wants] to {chore}, but somebody has to do it.
not everyone who studies {schoolsubject} [finds a job/enjoys it/becomes a teacher/passes the exam/stays in {city}], but many do.
{schoolsubject} is [more/less] [useful/interesting/difficult/popular] than {schoolsubject}.
the {building} is neither [old/beautiful/empty] nor [new/cheap/famous]; it [is simply too big/needs a new roof/will be sold in {month}].
either the {body} accepts the {policy} or the {politician} [resigns/will lose support/calls an election].
the {politician} did not [reject/support/read/mention] the {policy}; the {politician} only [delayed/criticised/signed/discussed] it.
[most/some/few/no] {prof:p} [earn/work/sleep/travel/worry] [more/less] than {prof:p}.
since [{day}/{month}/the {disaster}], the {venue} has been [open/closed/crowded/almost empty].
= product
{gadget}
{gear}
= kitchen2
{kitchen}
for a [birthday/wedding/school party]
= home1
{home}
= farmstock
[a cow/a goat/a sheep/some cows/two goats/several sheep]
= vehicleword
{bike}
{car}
{train}
{boat}
"""

# class of subject (a rule) : verbs | object | where; "-" before the verbs: no passive
VERB_PATTERNS = """
subject: slice/cut/chop/dice | {veg:o} | {kitchen}
subject: peel/slice/cut | {fruit:o} | {kitchen}
subject: wash/rinse/grate | {veg:o} | in [the sink/the kitchen/a bowl]
subject: fry/cook/grill/season | some {meat} | {cookplace}
subject: cut/slice/marinate/trim | some {meat} | {kitchen}
subject: eat/devour/finish/enjoy | {dish:a} | {eatplace}
subject: eat/bite into/nibble | {fruit:a} | {eatplace}
subject: eat/taste/share/order | {dessert:a} | {eatplace}
subject: drink/sip/order | a [cup/glass/bottle] of {drink} | {eatplace}
subject: pour/drain/measure | some {liquid} | into {vessel:a}
subject: add/sprinkle/stir | some {powder} | into {vessel:a}
subject: stir/mix/whisk/blend | some {mix} | in {vessel:a}
subject: spread/smear | some {spread} | on [a slice of bread/a cracker/some toast/a bagel]
subject: break/crack/beat | [an egg/two eggs/some eggs] | into a bowl
subject: bake/decorate/make/cut | {dessert:a} | {kitchen2}
adult: knead/roll/fold | the dough | [with both hands/on a floured table/in the kitchen]
subject: play/tune/strum | a [guitar/banjo/ukulele/mandolin/harp] | {stage}
subject: play/practise/hold/tune | {instrument:a} | {stage}
- subject: play/practise/watch | {sport} | {gym}
- subject: play/enjoy | {game} | [at a table/{home}/in a park/with friends/with @poss family]
subject: kick/throw/catch/hit/chase | {ball:a} | {gym}
subject: throw/toss/hurl | {ball:a} | [to a friend/over a fence/into the air/at a wall]
subject: ride | {mount:a} | {path}
subject: feed/lead/brush/groom/pet | {mount:a} | {field}
subject: ride/push/steer | {bike:a} | {path}
subject: drive/park/steer | {car:a} | [on a highway/{path}/in the rain/through heavy traffic]
subject: wash/polish/scrub/clean/wipe | {washable:o} | [with a sponge/with a cloth/with soapy water/{outside}]
subject: repair/fix/mend/inspect | {fixable:a} | {workshop}
subject: row/paddle/steer/sail | {boat:a} | across [a lake/a river/the bay/a lagoon]
adult: fly/land/board | {plane:a} | [over the sea/at an airport/in the fog/over a city]
subject: read/hold/study | {reading:a} | {office}
subject: write/type/read aloud | {writable:a} | {office}
subject: draw/paint/sketch | {art:a} | on [a wall/paper/a canvas/the pavement]
subject: open/close/shut | {openable:o} | [with one hand/with a key/{home}]
subject: carry/lift/pick up/drag/push | {container:o} | {path}
subject: pack/empty/unpack/load | {container:o} | {home}
subject: hold/wave/show | {holdable:a} | [in @poss hand/above @poss head/in front of the camera]
- subject: hold/carry/drop/point at | {holdable:a} | {street}
- subject: watch/admire/photograph/film | the {sight} | [from a balcony/from a bridge/through a window/with binoculars/from the shore]
- subject: watch/attend/leave/film | {event:a} | [in the city/with friends/on television/at night]
subject: plant/water/dig up/prune | {plant:o} | in [the garden/a pot/a greenhouse/the yard]
subject: pick/smell/cut/arrange | {flower:s} | {park}
adult: cut down/climb/trim/chop down | {tree:a} | in [the garden/a forest/a park]
adult: build/paint/demolish/renovate | {building:a} | [near the sea/in a village/with bricks/on a hill]
adult: assemble/move/build/sand/varnish | {furniture:a} | {workshop}
adult: sharpen/hold/use/clean/pick up | {tool:a} | {workshop}
adult: saw/nail/hammer/carve/measure | a [plank/board/piece of wood/beam/log] | {workshop}
adult: weld/bend/cut/drill | a [pipe/steel beam/sheet of metal/metal rod] | {workshop}
adult: iron/fold/wash/sew/hang up | {garment:o} | {home}
- subject: put on/take off/try on/button | {clothes:a} | [in front of a mirror/{home}/in a shop]
- subject: put on/take off/adjust | @poss [glasses/gloves/boots/shoes/socks/helmet/hat/sunglasses] | {home}
- subject: brush/comb/wash/dry/braid | @poss hair | [in front of a mirror/in the bathroom/with a towel/after a swim]
- adult: shave/wash/scratch/touch | @poss [face/chin/head/neck] | in [front of a mirror/the bathroom/the bath]
- subject: apply/remove/buy | [make-up/lipstick/sunscreen/nail polish/eyeliner/mascara] | [in front of a mirror/in the bathroom/before a \
party]
- subject: talk/speak/chat/listen | [on the phone/to a friend/to {prof:a}/into a microphone/with a neighbour] | {street}
subject: use/charge/repair/unpack/clean | {device:a} | {office}
subject: buy/sell/pay for/choose | {shopitem:a} | {shop}
- subject: walk/stroll/run/jog/march/wander/hurry/limp/tiptoe | {path} | {when}
- subject: walk/train/feed/pet/hug | {dog:a} | {park}
- subject: hug/kiss/comfort/greet/tickle/pat | a [baby/friend/child/toddler/stranger/puppy] | {street}
- subject: stand/wait/sit/queue/beg/smoke | {street} | {when}
- subject: sit/lie/sleep/relax/rest/nap/doze | {home} | {when}
- subject: sit/lie/rest/sunbathe/stretch out | {park} | {when}
- subject: swim/dive/float/splash/wade | {waterplace} | {when}
- subject: surf/water-ski/sail/windsurf/kayak | [on a big wave/in the sea/in rough water/near the beach/in strong wind] | {when}
- subject: ski/snowboard/sledge/slide | down a [snowy slope/mountain/steep hill] | [in the fog/at high speed/{when}]
- subject: skate/fall/slip/spin | on [the ice/a frozen lake/an ice rink/a wet floor] | {when}
- subject: climb/scramble up/descend | {landform:a} | [with a rope/without shoes/in the snow/at dawn]
- subject: jump/leap/climb | [off a cliff/over a puddle/over a fence/off a wall/off a diving board/out of a boat/over a bench] | {when}
- subject: dance/sing/perform/clap/bow/rehearse | {stage} | [with a partner/in costume/loudly/for an audience/{when}]
- subject: do/practise/teach | [push-ups/yoga/karate/gymnastics/sit-ups/judo/stretches/pull-ups/ballet/handstands] | {gym}
- subject: lift/drop/carry | [weights/a barbell/dumbbells/a kettlebell] | in [a gym/the garage/front of a mirror]
- subject: laugh/smile/cry/wave/yawn/shout/whisper/sneeze/frown/blink/wink/shiver | {street} | {when}
- subject: look at/point at/stare at/wave at | [{animal}/{car:a}/a {prof}/the camera/a map/{building:a}] | {street}
adult: shoot/fire/load/clean | a [gun/rifle/pistol/bow/cannon] | [at a target/in the woods/at a shooting range/in a field]
subject: catch/hold/release/gut | a [fish/trout/carp/big fish/salmon] | [with a net/by a river/on a boat/in a stream]
subject: light/blow out/hold | a [candle/match/lamp/lantern/campfire] | [in the dark/on a table/in a tent/on a cake]
- adult: teach/help/photograph/interview/examine/question/instruct | a [student/patient/witness/tourist/child/customer/player/passenger] \
| {office}
adult: milk/feed/shear/herd/brush | {farmstock} | on a farm
adult: plough/harvest/weed/irrigate | a [field/vegetable patch/rice paddy/wheat field/vineyard] | [with a tractor/by hand/at dawn]
- adult: direct/block/watch/stop | the traffic | at [a crossing/a crossroads/rush hour]
adult: sweep/mop/vacuum/scrub | the [floor/stairs/terrace/corridor/pavement/kitchen] | [with a broom/in the morning/after a party]
child: play with/hold/lose/break/find | {kidtoy:a} | {park}
- child: play/hide/crawl/giggle/skip/tumble/romp | {park} | {when}
- child: swing/slide/climb/balance | on a [swing/slide/climbing frame/rope/seesaw/log/fence] | {park}
- child: blow/pop/chase | [bubbles/soap bubbles/balloons] | {park}
child: build/destroy/decorate | a [sandcastle/snowman/tower of blocks/tree house/tent/dam] | {park}
child: paint/colour/glue/cut out | a [mask/paper star/cardboard house/picture/paper crown] | at [school/a table/home]
- child: do/finish/forget/hate | @poss homework | [at the kitchen table/on the bus/after school]
- child: lick/drop/share | an ice cream | {park}
- dogs: chase/follow/bark at | {cat:a} | {park}
dogs: carry/chew/fetch/chase/catch/bite | {toy:a} | {park}
- dogs: run/bound/race/trot/walk | {path} | {when}
- dogs: run/play/roll/dig/sit/bark/jump/pant | {park} | {when}
- dogs: swim/splash/stand/play | in [the water/a lake/the sea/a river/a puddle] | {when}
- dogs: lie/sleep/snore/rest | {home} | {when}
- dogs: jump/leap | over [a fence/a hurdle/a log/a puddle/another dog] | {when}
- cats: sleep/lie/sit/purr/curl up/hide | {home} | {when}
- cats: play/wrestle | with [a ball of wool/a toy mouse/a string/a dog/a shoelace] | {home}
- cats: chase/watch/catch/stalk | a [mouse/bird/laser dot/moth/fly] | [in the garden/on the roof/{home}]
- cats: drink/lap up/spill | some milk | from [a bowl/a saucer/a plate]
- cats: scratch/climb/jump on | {furniture:a} | in the {room}
- cats: lick | its [paw/fur/tail/kittens] | {home1}
- grazers: graze/stand/lie/walk/rest/sleep | {field} | {when}
- grazers: eat/chew/munch | [grass/hay/leaves/some straw] | {field}
- grazers: drink | from [a river/a bucket/a pond/a trough] | {when}
- grazers: cross/block | [a road/a river/a bridge/a path] | {when}
- grazers: run/gallop | [through a field/across a plain/along a fence/down a hill] | {when}
- birds: sit/perch/land/rest | on [a branch/a wire/a fence/a roof/a post/a window sill] | {when}
- birds: fly/glide/circle/soar | over [the water/a field/the trees/a city/the roofs/a cliff] | {when}
- birds: build/leave/guard | a nest | in [a tree/a chimney/a hedge]
- birds: peck at/eat/carry | [seeds/a worm/some bread/berries/crumbs] | [on the ground/in the snow/{park}]
- waterbirds: swim/paddle/float/dive/splash | [in a pond/on a lake/in a river/under a bridge/near the reeds] | {when}
- hunters: hunt/chase/stalk/attack/catch | {grazer:a} | [in the savannah/in the snow/in a forest/at night]
- hunters: sleep/lie/rest/yawn/roar/pace | [under a tree/in a cage/on a rock/in the shade/at the zoo] | {when}
- hunters: walk/run/prowl/wander | through [the forest/tall grass/the snow/a valley] | {when}
- climbers: climb/swing from/hang from/sit in | {tree:a} | [in the jungle/in a zoo/{when}]
- climbers: eat/peel/steal/hold | a [banana/nut/mango/leaf/biscuit/fruit] | [on a branch/in a zoo/on a roof]
- smalls: eat/nibble/sniff | [a carrot/a leaf/some lettuce/a slice of cucumber/a piece of apple] | [in a cage/on the grass/from a hand]
- smalls: hide/sit/sleep/dig | [under a bush/in a hole/in the grass/in a box/under a leaf] | {when}
- seas: swim/dive/float/glide | [in the sea/near a boat/under the ice/in an aquarium/near the shore/through clear water] | {when}
- insects: land/sit/rest/crawl | on [a flower/a leaf/{flower:a}/a window/a finger] | {when}
- insects: fly/buzz/flutter/hover | [around {flower:a}/over a meadow/around a lamp/near a hive] | {when}
- crawlers: crawl/creep/move | [across a leaf/over a stone/under a rock/across the sand/up a wall] | {when}
- cars: drive/speed/race/roll/turn | [down a street/through a tunnel/along the coast/around a corner/on a muddy road/across a bridge] | \
{when}
- cars: stop/wait/brake | at [a red light/a crossing/a petrol station/a roadblock] | {when}
- cars: crash/bump/skid | into [a tree/a wall/a lamp post/a ditch/a parked van] | {when}
- trains: travel/roll/move/rattle | [along the tracks/through the mountains/over a bridge/through a tunnel/past a village] | {when}
- trains: arrive/stop/wait | at [a station/a crowded platform/a signal] | {when}
- boats: sail/float/drift/move | [on a lake/down a river/near the coast/under a bridge/towards the harbour] | {when}
- boats: sink/rock/capsize | [in a storm/near the rocks/in rough water] | {when}
- planes: fly/hover | over [the sea/a city/the mountains/a beach/a stadium/a valley] | {when}
- planes: land | [on a runway/in a field/at an airport/on the grass] | {when}
- things: lie/stand/sit | on [the floor/a table/a shelf/the pavement/the grass/a cart] | [in the sun/next to {furniture:a}/in a {room}]
"""

ORDERS: tuple[str, ...] = ("{s} @is {v:ing} {o} {t}",) * 5 + (
    "{s} {v:s} {o} {t}",
    "{s} {v:s} {o} {t}",
    "{s} {v:ed} {o} {t}",
    "{s} @was \
{v:ing} {o} {t}",
)
ORDERS += ("{s} {v:ing} {o} {t}", "{s} @who @is {v:ing} {o} {t}", "{s} @is not {v:ing} {o} {t}")
PASSIVES = ("{o} @ois being {v:en} by {s} {t}", "{o} @ois being {v:en} {t}", "{o} @owas {v:en} by {s} {t}", "{s} @has just {v:en} {o} {t}")
KINDS = ("caption",) * 40 + ("headline",) * 20 + ("question",) * 15 + ("statement",) * 15 + ("opinion",) * 10
IRREGULAR = """
be was been, beat beat beaten, become became become, bend bent bent, bite bit bitten, blow blew blown, break broke broken,
build built built,
buy bought bought, catch caught caught, choose chose chosen, creep crept crept, cut cut cut, dig dug dug, do did done, draw drew drawn,
drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed fed, find found found, fly flew flown,
forget forgot forgotten,
give gave given, grow grew grown, hang hung hung, hide hid hidden, hit hit hit, hold held held, lead led led, leave left left,
lie lay lain,
light lit lit, lose lost lost, make made made, pay paid paid, put put put, read read read, ride rode ridden, run ran run, sell sold sold,
sew sewed sewn, shake shook shaken, shoot shot shot, show showed shown, shut shut shut, sing sang sung, sink sank sunk, sit sat sat,
sleep slept slept,
slide slid slid, speak spoke spoken, speed sped sped, spin spun spun, spread spread spread, stand stood stood, steal stole stolen,
sweep swept swept,
swim swam swum, swing swung swung, take took taken, teach taught taught, throw threw thrown, write wrote written, have had had,
saw sawed sawn
"""
PLURALS = """man men, woman women, child children, person people, foot feet, tooth teeth, mouse mice, goose geese, wolf wolves,
calf calves, knife knives,
shelf shelves, loaf loaves, leaf leaves, scarf scarves, headscarf headscarves,
sheep sheep, deer deer, fish fish, moose moose, bison bison, buffalo buffalo,
reindeer reindeer, ox oxen,
goldfish goldfish, salmon salmon, potato potatoes, tomato tomatoes, mango mangoes, police police, aircraft aircraft,
bookshelf bookshelves"""
PRONOUNS = {
    "he": ("he", "she", "it", "they"),
    "him": ("him", "her", "it", "them"),
    "poss": ("his", "her", "its", "their"),
    "self": ("himself", "herself", "itself", "themselves"),
    "who": ("who", "who", "that", "who"),
    "is": ("is", "is", "is", "are"),
    "was": ("was", "was", "was", "were"),
    "has": ("has", "has", "has", "have"),
    "does": ("does", "does", "does", "do"),
}
DOUBLING = re.compile(r"(?:[^aeiou]*[aeiou][bdglmnprt]|forget|unplug|unzip|squat|quit)$")
SINGULAR_A = re.compile(r"\b([Aa]) (?=(?:[aeioAEIO]|u(?!ni|se|ku)|U(?!k)|hour)(?!uro|ne\b|we\b))")
STATE = re.compile(r"\^([mfnpq]) ?|<([^<>:]*):(\w+)>|@(\w+)")
TOKEN = re.compile(r"\{(?P<rule>\w+)(?::(?P<mod>\w+))?\}|#(?P<low>\d+)-(?P<high>\d+)")
MANY = ("two", "three", "four", "several", "some", "a few")
PLURAL_START = re.compile(r"(?:two|three|four|five|six|several|many|a few)\b|(?:some|the) (?:.*[^s])?s$")


class Token(NamedTuple):
    """One slot of a template.

    It has a kind, the name of a class or rule, options, and the form of a verb or a noun phrase.
    """

    kind: str
    name: str = ""
    options: tuple[str, ...] = ()
    form: str = ""


class VerbPattern(NamedTuple):
    """The parts of a clause, and whether it has a passive."""

    subject: Token
    verb: Token
    object: Token
    place: Token
    passive: bool


@dataclass
class Node:
    """A filled slot: the text and slots in it, and its token.

    With the token it can be filled again.
    """

    token: Token
    parts: "list[Node | str]" = field(default_factory=list)
    order: str = ""


def _sections(text: str, separator: str) -> dict[str, tuple[str, ...]]:
    """The `= name` sections of a text as tuples of their entries.

    The entries follow a colon, or stand on the lines below.
    """
    table = {}
    for section in text.split("\n= ")[1:]:
        name, body = re.split(r":|\n", section, maxsplit=1)
        if separator == ",":
            body = body.replace("\n", " ")
        table[name] = tuple(entry.strip() for entry in body.split(separator) if entry.strip())
    return table


def _table(text: str) -> dict[str, tuple[str, ...]]:
    """Lines `a b: x, y`, as a table from every key of a line to its entries."""
    lines = [line.split(": ") for line in text.strip().splitlines()]
    return {key: tuple(entries.split(", ")) for keys, entries in lines for key in keys.split()}


def _verb_patterns() -> tuple[VerbPattern, ...]:
    """`VERB_PATTERNS` as tokens. Now and then the place is left out, or replaced by a time."""
    patterns = []
    for line in VERB_PATTERNS.strip().splitlines():
        subject, verbs, what, place = re.split(r": | \| ", line)
        places = (place, place, place, "", "{when}")
        verb, thing, where = (Token("alt", options=options) for options in (tuple(verbs.split("/")), (what,), places))
        patterns.append(VerbPattern(Token("rule", subject.removeprefix("- ")), verb, thing, where, line[0] != "-"))
    return tuple(patterns)


RULE = {**_sections(WORDS, ","), **_sections(RULES, "\n")}
ADJECTIVE = _table(ADJECTIVES)
PATTERNS = _verb_patterns()
VERBS = {base: (past, participle) for base, past, participle in (entry.split() for entry in IRREGULAR.split(","))}
PLURAL = dict(entry.split() for entry in PLURALS.split(","))


def _close(template: str, start: int) -> int:
    """Where the bracket that opens at `start` closes."""
    depth = 0
    for position in range(start, len(template)):
        depth += (template[position] in "[<") - (template[position] in "]>")
        if depth == 0:
            return position
    raise ValueError(f"unbalanced: {template}")


def _split(body: str) -> tuple[str, ...]:
    """The alternatives between the slashes of a bracket, but not those of inner brackets."""
    found, depth = [""], 0
    for letter in body:
        depth += (letter in "[<") - (letter in "]>")
        if letter == "/" and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return tuple(found)


@cache
def _parse(template: str) -> tuple[Token | str, ...]:
    """A template as plain text and tokens."""
    parts: list[Token | str] = []
    at = 0
    while at < len(template):
        if template[at] in "[<":
            end = _close(template, at)
            body, form = template[at + 1 : end], ""
            if template[at] == "<":
                body, form = body.rsplit(":", 1)
            parts.append(Token("alt" if template[at] == "[" else "verb", options=_split(body), form=form))
            at = end + 1
        elif match := TOKEN.match(template, at):
            name, form, low, high = match.group("rule", "mod", "low", "high")
            parts.append(Token("number", options=(low, high)) if low else Token("phrase" if form else "rule", name, form=form or ""))
            at = match.end()
        else:
            plain = re.compile(r"[^\[<{#]+").match(template, at)
            parts.append(plain[0] if plain else template[at])
            at = plain.end() if plain else at + 1
    return tuple(parts)


def _pick(options: tuple[str, ...], rng: random.Random) -> str:
    return options[int(rng.random() * len(options))]


def _grow(token: Token, rng: random.Random) -> Node:
    """Fill a slot."""
    if token.kind == "number":
        low, high = map(int, token.options)
        return Node(token, [str(low + int(rng.random() * (high - low + 1)))])
    if token.kind == "phrase":
        return Node(token, _phrase(token, rng))
    if token.name == "clause":
        return _clause(token, rng)
    if token.kind == "plural":
        return Node(token, [_plural(_pick(RULE[token.name], rng))])
    template = _pick(token.options or RULE[token.name], rng)
    parts: list[Node | str] = [part if isinstance(part, str) else _grow(part, rng) for part in _parse(template)]
    if token.kind == "verb":
        parts = ["<", *parts, f":{token.form}>"]
    return Node(token, parts)


def _phrase(token: Token, rng: random.Random) -> list[Node | str]:
    """A noun phrase: determiner, perhaps an adjective, noun."""
    name, form = token.name, token.form
    if form == "o":
        form = "a" if rng.random() < 0.7 else "s"
    many = form in "sp" and not name.endswith("_p")
    parts: list[Node | str] = [_grow(Token("plural" if many else "rule", name), rng)]
    if name in ADJECTIVE and form in "as" and rng.random() < 0.4:
        parts = [_grow(Token("alt", options=ADJECTIVE[name]), rng), " ", *parts]
    if form == "s":
        return [_grow(Token("alt", options=MANY), rng), " ", *parts]
    return [{"a": "a ", "t": "the ", "p": ""}[form], *parts]


def _clause(token: Token, rng: random.Random) -> Node:
    """A subject, a verb that fits it, an object and a place, in one of the word orders."""
    pattern = PATTERNS[int(rng.random() * len(PATTERNS))]
    parts: list[Node | str] = [_grow(slot, rng) for slot in (pattern.subject, pattern.verb, pattern.object, pattern.place)]
    return Node(token, parts, _pick(PASSIVES if pattern.passive and rng.random() < 0.3 else ORDERS, rng))


def _text(node: Node | str) -> str:
    """The raw text of a tree, with its marks still in."""
    if isinstance(node, str):
        return node
    if not node.order:
        return "".join([part if isinstance(part, str) else _text(part) for part in node.parts])
    subject, verb, obj, place = map(_text, node.parts)
    plural = PLURAL_START.match(obj)
    if "@" in place and "{s}" not in node.order:
        place = ""
    text = node.order.replace("{s}", subject).replace("{o}", obj).replace("{t}", place).replace("{v:", f"<{verb}:").replace("}", ">")
    return text.replace("@ois", "are" if plural else "is").replace("@owas", "were" if plural else "was")


def _plural(noun: str) -> str:
    """The plural of a noun or of one with words before it, or with "of ..." behind it."""
    head, of, rest = noun.partition(" of ")
    before, space, last = head.rpartition(" ")
    if last in PLURAL:
        last = PLURAL[last]
    elif last.endswith("man"):
        last = last[:-2] + "en"
    elif re.search(r"[^aeiou]y$", last):
        last = last[:-1] + "ies"
    else:
        last += "es" if re.search(r"(?:s|x|z|ch|sh)$", last) else "s"
    return before + space + last + of + rest


@cache
def _inflect(verb: str, form: str) -> str:
    """A verb (its first word, when there are more) in a form: base, s, ing, ed, en."""
    word, space, rest = verb.partition(" ")
    stem = word + word[-1] if DOUBLING.match(word) else word
    if form == "s":
        word = {"have": "has", "be": "is"}.get(word) or _plural(word)
    elif form == "ing":
        word = word[:-2] + "ying" if word in ("lie", "die", "tie") else (word[:-1] if re.search(r"[^eo]e$", word) else stem) + "ing"
    elif form in ("ed", "en"):
        regular = word + "d" if word.endswith("e") else word[:-1] + "ied" if re.search(r"[^aeiou]y$", word) else stem + "ed"
        word = VERBS.get(word, (regular, regular))[form == "en"]
    return word + space + rest


def _finish(raw: str, kind: str, rng: random.Random) -> str:
    """Settle agreement and articles, capitals and the full stop."""
    who = "n"

    def settle(match: re.Match[str]) -> str:
        nonlocal who
        mark, verb, form, word = match.groups()
        if mark:
            who = mark
            return ""
        if word:
            return "that" if (word, who) == ("who", "q") else PRONOUNS[word]["mfnp".index(who.replace("q", "p"))]
        return _inflect(verb, "base" if form == "s" and who in "pq" else form)

    text = " ".join(STATE.sub(settle, raw).split())
    text = SINGULAR_A.sub(r"\1n ", text).replace(" .", ".").replace(" ,", ",").replace(" ?", "?")
    text = re.sub(r"(^|[.?] )([a-z])", lambda match: match[1] + match[2].upper(), text)
    if text[-1] in ".?" or kind == "headline" or (kind == "caption" and rng.random() < 0.4):
        return text
    return text + "."


def _repeats(text: str) -> bool:
    """Whether a long word comes twice: "sleep improves sleep"."""
    words = [word.strip(".,:;?'") for word in text.split() if len(word) > 4 and word != "because"]
    return len(set(words)) < len(words)


def _slots(node: Node) -> list[Node]:
    """The small slots of a tree: those worth filling again."""
    inner = [slot for part in node.parts if isinstance(part, Node) for slot in _slots(part)]
    return [*inner, node] if len(inner) < 3 and not node.order else inner


def _vary(tree: Node, rng: random.Random) -> None:
    """Change one thing about a sentence: a slot, or the order of its clause."""
    clause = next((part for part in tree.parts if isinstance(part, Node) and part.order), None)
    if clause and rng.random() < 0.25:
        clause.order = _pick(PASSIVES + ORDERS[:8] if clause.order in PASSIVES else ORDERS, rng)
        return
    slots = _slots(tree)
    slot = slots[int(rng.random() * len(slots))]
    slot.parts = _grow(slot.token, rng).parts


def sentences(count: int, seed: int) -> Iterator[str]:
    """Yield `count` distinct sentences, or fewer if the grammar has no more.

    They are the same for a seed on every machine. A near neighbour follows its sentence.
    """
    rng = random.Random(seed)
    seen: set[str] = set()
    for _ in range(3 * count):  # a bound: about one draw in ten is rejected
        kind = _pick(KINDS, rng)
        tree = _grow(Token("rule", kind), rng)
        for neighbour in range(2 if rng.random() < 1 / 3 else 1):
            if neighbour:
                _vary(tree, rng)
            text = _finish(_text(tree), kind, rng)
            key = text.removesuffix(".")
            if key not in seen and not _repeats(text):
                seen.add(key)
                yield text
            if len(seen) >= count:
                return
