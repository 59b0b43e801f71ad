"""gensim: corpora read by pools and processes of its own.

Needs: gensim numpy
"""

import multiprocessing
import sys

from gensim.corpora import Dictionary
from gensim.models import LdaMulticore, Phrases
from gensim.models.coherencemodel import CoherenceModel
from gensim.utils import chunkize

TEXTS = [["human", "machine", "interface"], ["graph", "trees", "machine"], ["human", "graph"]] * 40


def main(method):
    multiprocessing.set_start_method(method)
    words = Dictionary(TEXTS)
    corpus = [words.doc2bow(text) for text in TEXTS]
    model = LdaMulticore(
        corpus, id2word=words, num_topics=2, workers=2, passes=2, chunksize=20, random_state=1
    )
    assert len(model.get_topics()) == 2
    chunks = list(chunkize(iter(corpus), 20, maxsize=2))
    assert sum(len(chunk) for chunk in chunks) == len(corpus)
    coherence = CoherenceModel(
        topics=[["human", "machine"], ["graph", "trees"]],
        texts=TEXTS,
        dictionary=words,
        coherence="c_v",
        processes=2,
    )
    assert coherence.get_coherence() == coherence.get_coherence()
    assert Phrases(TEXTS).corpus_word_count == sum(map(len, TEXTS))


if __name__ == "__main__":
    main(sys.argv[1])
    print("passed")
