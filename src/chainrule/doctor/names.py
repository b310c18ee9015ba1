"""What the names in a stranger's code mean.

A name is compared without case and underscores, so that `X_train`, `xTrain` and `XTRAIN` are one. Each role below lists
what people call it.
"""

from __future__ import annotations

import re

ROLES: dict[str, str] = {
    "x": "x xs xtrain trainx input inputs inputdata data images image img imgs a0 xbatch batchx xb features feature "
    "sample samples xi inputlayer inputvector trainingdata traindata trainimages trainingimages xinput inp inputx "
    "xdata datax trainingset trainset batchimages minibatchx xmini xmb traininputs xflat",
    "y": "y ys ytrain trainy label labels target targets t ytrue truth ybatch batchy yb expected onehoty yonehot "
    "trueoutput desired ytarget actual groundtruth correct lab yenc yoh oneh onehot onehotlabels trainlabels "
    "expectedoutput traininglabels targetoutput desiredoutput yi yvec ylabel ylabels outputexpected ydata batchlabels "
    "yhot truelabels truelabel targetvector targetsoneh trainoutputs ymini ymb yactual gt ygt "
    "trainingoutputs yonehotencoded yencoded",
    "m": "m numexamples nsamples numsamples batchsize bs msize ntrain samplesize mtrain nexamples nbatch bsz numtrain "
    "examples minibatchsize datasize numdata samplescount",
    "rate": "alpha lr learningrate eta rate stepsize lrate learnrate learning alfa learningspeed lrn gamma step l_rate",
    "l2": "lambd lambda lam reg regularization l2 weightdecay lmbda regstrength l2lambda regularizationstrength l2reg "
    "regparam lambdareg",
    "sizes": "layerdims layersdims sizes layersizes layers dims architecture topology units neurons structure "
    "layerunits nnarchitecture shape layersize layernodes netsize networksize nodes "
    "layerlist layersshape networkshape nnshape",
    "inputs": "nx inputsize inputdim inputnodes ninput nin inputunits d numinputs numfeatures nfeatures indim nin0 "
    "inputlayersize infeatures inputneurons ninputs inputshape insize numinput n0 inputlayernodes inputlayerneurons "
    "sizein insizes dimin dim fanin numpixels featuresnum in_ inputlen",
    "hidden": "nh hiddensize hidden hiddenunits hiddennodes numhidden nhidden hiddendim hiddenneurons hiddenlayersize "
    "h hiddens nhiddens hid hiddenlayer hiddenlayernodes hiddenlayerneurons numhiddenunits n1 nneurons nunits width "
    "hiddensize1 hidden1 h1 nh1 hiddendim1 hiddenlayer1 hiddenunits1 hidden1size hiddenlayer1size hiddennodes1",
    "hidden2": "hiddensize2 hidden2 h2 nh2 hiddendim2 hiddenlayer2 hiddenunits2 hidden2size n2 hiddenlayer2size "
    "hiddennodes2",
    "hiddens": "hiddensizes hiddenlayers hiddenlayersizes hiddendims hiddenunitslist",
    "outputs": "ny outputsize outputdim outputnodes noutput nout numclasses nclasses c k classes outputneurons outdim "
    "outfeatures noutputs numoutputs outsize numclass outputunits numoutput outputlayersize outputlayernodes nlabels "
    "sizeout dimout fanout numlabels nclass outputlayerneurons out_ outputlen",
    "epochs": "epochs iterations numiterations iters nepochs numepochs maxiter niter steps numiters epoch iteration "
    "nsteps numsteps maxepochs i it",
    "keep": "keepprob keep pkeep keeprate keepprobability",
    "drop": "dropout droprate dropoutrate pdrop p dropoutprob dropprob",
    "seed": "seed randomstate randomseed",
    "generator": "rng generator gen randomgenerator rnggenerator nprng rand",
    "quiet": "verbose printcost printloss plot show debug print printevery display log",
    "parameters": "parameters params weights theta thetas param model net network nn parameter weightsandbiases w "
    "wandb ws networkparams",
    "cache": "cache caches forward memory store activations outputs forwardcache intermediate intermediates fwd "
    "forwardpass forwardoutput results forwardprop state values layeroutputs cached act acts",
    "gradients": "grads gradients grad gradient derivatives dparams deltas dtheta gradvalues nablas updates",
    "output": "a2 al yhat ypred pred preds predictions prediction output outputs probs probabilities prob out a "
    "predicted finaloutput yhats p a3 aout o activation outputlayer yprob scores finaloutputs predy ypredicted "
    "networkoutput outputlayeroutput s result softmaxoutput hypothesis",
    "training": "training train istraining trainmode mode",
}
_ROLE_OF = {name: role for role, names in reversed(ROLES.items()) for name in names.replace("_", "").lower().split()}
_SHORT = ("in", "t", "s")
_AFFIXES = ("list", "array", "arr", "vector", "vec", "batch", "matrix", "mat", "data", "mini", "curr", "current",
            "single", "my", "the", "this", "train", "np", "new", "raw", "flat", "norm", "scaled")  # fmt: skip
_GRADIENT_MARKS = ("gradient", "derivative", "delta", "nabla", "grads", "grad", "del", "d")

INIT = re.compile(r"init|^(create|make|build|random|generate|setup|new|get)\w*(param|weight|net|model|theta)", re.I)
FORWARD = re.compile(
    r"forward|feed|fwd|forw|prop(agate)?$|predict_?prob|^model$|compute_?output|^run$|^net(work)?$", re.I
)
BACKWARD = re.compile(r"back|bwd|bprop|gradients?$|^grad|grads$|compute_?grad|calc\w*grad|get_?grad|derivs$", re.I)
UPDATE = re.compile(r"update|optimi[sz]e|apply|sgd_?step|^step$|gd_?step|take_?step|adjust", re.I)
LOSS = re.compile(r"loss|cost|entropy|^nll|mse|^sse$|squared|objective|^error|_error$|^ce$|^bce$|criterion", re.I)
ONE_HOT = re.compile(r"one_?hot|onehot|to_?categorical|binari[sz]e|encode|vectori[sz]ed_result", re.I)
DERIVATIVE = re.compile(r"(derivative|deriv|prime|grad|backward|_d$|^d_?|_?der$|delta|dash|bwd)", re.I)
TRAINING = re.compile(r"^(train|fit|gradient_?descent|sgd|main|run_?training|learn|l_layer_model|nn_model)", re.I)


def plain(name: str) -> str:
    """A name without case and underscores."""
    return name.replace("_", "").lower()


def role_of(name: str) -> str | None:
    """What such a name usually stands for, or None; `inputs_list` is inputs, `curr_x` is x."""
    bare = plain(name)
    if bare in _ROLE_OF:
        return _ROLE_OF[bare]
    for affix in _AFFIXES:
        for rest in (bare.removesuffix(affix), bare.removeprefix(affix)):
            if rest != bare and rest in _ROLE_OF and len(rest) > (1 if affix in _SHORT else 0):
                return _ROLE_OF[rest]
    return None


def ungraded(name: str) -> str:
    """The parameter's name within a gradient's: dW1, grad_W1, W1_grad, nabla_w and delta_w are W1's and w's."""
    bare = plain(name)
    for mark in _GRADIENT_MARKS:
        if bare.startswith(mark) and len(bare) > len(mark):
            return bare[len(mark) :]
        if len(mark) > 1 and bare.endswith(mark) and len(bare) > len(mark):
            return bare[: -len(mark)]
    return bare


def is_gradient_name(name: str) -> bool:
    """Whether a name is made like a gradient's."""
    return ungraded(name) != plain(name)
