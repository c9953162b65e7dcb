"""Words that a question is made of and that say nothing about its subject; dropped from queries, never from documents.

They stay in the index (phrases need them), and in a query of nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_ENGLISH = """
a about all also am an and any are as at be because been being but by can could did do does doing done for from had has
have having he her here hers him his how i if in into is it its itself just let me more most my no nor not of on only or
our ours out over own please s same she should so some such t tell than that the their theirs them then there these
they this those through to too under until up us very was we were what when where which while who whom whose why will
with would you your yours
"""

_GERMAN = """
aber alle als also am an auch auf aus bei bin bis bist da damit dann das dass dein dem den denn der des die dies diese
diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es euer fur für gab gibt hab habe
haben hat hatte hatten ich ihr ihre ihrem ihren ihrer im in ins ist ja jede jedem jeden jeder jedes kann kein keine
konnen können man mein mit nach nicht noch nun nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so
soll uber über um und uns unser unter viel viele vom von vor wann war waren warum was welche welchem welchen welcher
welches wem wen wenn wer werden wie wieso wieviel wieviele wird wo woher wohin wurde wurden zu zum zur
"""

_FRENCH = """
a à ai as au aux avec c ce ces cet cette combien comment d dans de des du elle elles en est et eu été être eux il ils j
je l la le les leur leurs lui m ma mais me mes moi mon n ne nos notre nous on ont ou où par pas pour pourquoi qu quand
que quel quelle quelles quels qui quoi s sa sans se ses si son sont sur t ta te tes toi ton tu un une vos votre vous y
"""

_SPANISH = """
a al algo como cómo con cual cuál cuales cuáles cuando cuándo cuanta cuánta cuantas cuántas cuanto cuánto cuantos
cuántos de del desde donde dónde el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está estas este
esto estos fue fueron ha han hasta hay la las le les lo los mas más me mi mis muy no nos o para pero por porque que qué
quien quién quienes quiénes se ser si sí sin sobre son su sus también te tu tus un una uno unos y ya yo
"""

STOPWORDS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset(_ENGLISH.split()),
    "de": frozenset(_GERMAN.split()),
    "fr": frozenset(_FRENCH.split()),
    "es": frozenset(_SPANISH.split()),
    "plain": frozenset(_ENGLISH.split()),  # unknown language: most likely to be asked in English
    "cjk": frozenset(),
}
